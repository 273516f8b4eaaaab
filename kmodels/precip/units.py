"""Units that files may have, and what turns them into this package's."""

DAY = 86400.0  # s
MOST_RAIN = 2000.0  # mm/day; the most that was ever measured is 1825 (Foc-Foc, La Reunion, 1966; WMO)
RAIN = {
    "kg m-2 s-1": DAY,
    "mm s-1": DAY,
    "mm day-1": 1.0,
    "mm d-1": 1.0,
    "kg m-2 day-1": 1.0,
    "kg m-2 d-1": 1.0,
    "m s-1": 1000 * DAY,
}  # 1 kg of water on 1 m2 stands 1 mm high
SHARE = {"1": 1.0, "": 1.0, "%": 0.01}
DISTANCE = {"km": 1.0, "m": 1e-3}
