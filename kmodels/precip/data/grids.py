"""How the fine grid and the predictors' lie to each other, and to the coast.

Either they nest, and a coarse cell is a block of fine ones; or the fine cells have places on the coarse grid: row and
column there, with fractions between the middles of its cells.
"""

import numpy as np
from scipy import ndimage
from scipy.interpolate import LinearNDInterpolator
from scipy.spatial import KDTree

from kmodels.precip.data.cf_reader import File, Grid
from kmodels.precip.data.series import Series, spacing

EARTH_RADIUS = 6371.0  # km
SAME_PLACE = 0.05  # of a coarse cell: centres nearer than this coincide
HALF = 0.5 + 1e-3  # of a cell, by which a place may lie beyond the outermost middles


def places_on(lat, lon, coarse_lat, coarse_lon) -> np.ndarray:
    """Find cells on a coarse grid.

    Rows and columns are interpolated over triangles of neighbouring middles, so that places on a grid of parallels and
    meridians are exact.

    Parameters
    ----------
    lat, lon : numpy.ndarray
        (y, x) of the cells to be found [degrees].
    coarse_lat, coarse_lon : numpy.ndarray
        (Y, X) of the coarse grid's middles [degrees].

    Returns
    -------
    numpy.ndarray
        (y, x, 2) row and column, from 0 to Y - 1 and X - 1; up to half a cell beyond the outermost middles those count,
        farther off it is NaN.
    """
    shape, middle = coarse_lat.shape, coarse_lon[tuple(n // 2 for n in coarse_lon.shape)]
    degrees = [_with_ring(coarse_lat), _with_ring(around(coarse_lon - middle))]
    known = np.stack([one.ravel() for one in degrees], axis=-1)
    numbers = np.stack(np.meshgrid(*(np.arange(-1.0, n + 1) for n in shape), indexing="ij"), axis=-1)
    found = LinearNDInterpolator(known, numbers.reshape(-1, 2))(np.stack([lat, around(lon - middle)], axis=-1))
    last = np.array(shape) - 1
    off = ~((found >= -HALF) & (found <= last + HALF)).all(-1)
    return np.where(off[..., None], np.nan, np.clip(found, 0, last))


def nested_places(fine: tuple[int, int], coarse: tuple[int, int]) -> np.ndarray:
    """Find, (y, x, 2), the cells of a grid that covers the same area as the coarse one."""
    axes = [((np.arange(n) + 0.5) * m / n - 0.5).clip(0, m - 1) for n, m in zip(fine, coarse, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)


def sampled(fields: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Interpolate fields (..., Y, X) bilinearly to places (y, x, 2): (..., y, x)."""
    at, flat = np.moveaxis(places, -1, 0), fields.reshape(-1, *fields.shape[-2:])
    found = np.stack([ndimage.map_coordinates(field, at, order=1, mode="nearest") for field in flat])
    return found.reshape(*fields.shape[:-2], *places.shape[:2])


def distance_to_coast(land: np.ndarray, lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """Great-circle distance [km] (y, x) of each cell's centre to the nearest one on the other side of the coast.

    land: (y, x) bool. lat, lon: (y, x) [degrees]. All zero where there is no coast.
    """
    if land.all() or not land.any():
        return np.zeros(land.shape)
    phi, lam = np.radians(lat), np.radians(lon)
    points = np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=-1)
    chord = np.zeros(land.shape)
    for side in (land, ~land):
        chord[side] = KDTree(points[~side]).query(points[side])[0]
    return 2 * EARTH_RADIUS * np.arcsin(np.minimum(chord / 2, 1))


def block_of(fine: tuple[int, int], coarse: tuple[int, int]) -> int | None:
    """Count the fine cells along a side of a coarse one where shapes allow blocks that are squares, else None."""
    block = fine[0] // coarse[0]
    return block if block > 1 and fine == (block * coarse[0], block * coarse[1]) else None


def grid_sizes(fine: tuple[int, int], coarse: tuple[int, int], nested: bool) -> dict:
    """Say by dotted key of the recipe what grids of these shapes are."""
    block = block_of(fine, coarse)
    blocks = {"data.grid.block": block} if block else {}
    other = {"data.grid.coarse_ny": coarse[0], "data.grid.coarse_nx": coarse[1]}
    sizes = {"data.grid.ny": fine[0], "data.grid.nx": fine[1]} | (blocks if nested else other)
    return sizes | {"data.grid.nested": nested}


def nearly_nest(fine: Grid, coarse: Grid) -> bool:
    """Tell whether grids nest, or nearly do: what is a little off is refused, not read in another way."""
    block = block_of(fine.shape, coarse.shape)
    off = off_centre(fine, coarse, block).values() if block else [np.inf]
    return bool(max(np.max(np.abs(one)) for one in off) < spacing(coarse))


def off_centre(fine: Grid, coarse: Grid, block: int) -> dict[str, np.ndarray]:
    """Compute how far the middle of each block of fine cells lies from its coarse cell's, (Y, X), in lat and lon."""
    ny, nx = coarse.shape
    off = {}
    for name in ("lat", "lon"):
        inside = getattr(fine, name).reshape(ny, block, nx, block) - getattr(coarse, name)[:, None, :, None]
        off[name] = around(inside).mean((1, 3))
    return off


def check_size(static: File, fine: Grid, coarse: Series, grid) -> None:
    """Refuse grids that have not the sizes of the recipe, which a network is built for."""
    blocks = "data.grid.ny and data.grid.nx over data.grid.block"
    for file, shape, wanted, keys in (
        (static, fine.shape, grid.fine, "data.grid.ny and data.grid.nx"),
        (
            coarse.pieces[0][0],
            coarse.grid.shape,
            grid.coarse_shape,
            blocks if grid.nested else "data.grid.coarse_ny and data.grid.coarse_nx",
        ),
    ):
        if shape != wanted:
            file.refuse("grid", f"(y, x) of {shape} cells; the recipe has {wanted}, {keys}")


def check_nested(file: File, fine: Grid, coarse: Grid, block: int) -> None:
    """Refuse a coarse cell whose centre is not that of its fine cells."""
    for name, off in off_centre(fine, coarse, block).items():
        centre = getattr(coarse, name)
        bad = ~(np.abs(off) <= SAME_PLACE * max(spacing(coarse), block * spacing(fine)))

        def rule(at, middle=centre + off):
            return f"its {block} x {block} fine cells have their middle at {middle[at]:g}; the grids do not nest"

        file.refuse_values(name, bad, centre, rule, ("y", "x"))


def find_places(static: File, coarse: Series) -> np.ndarray:
    """Find the fine cells on the coarse grid, (y, x, 2); refuse those that lie outside it."""
    fine, grid = static.grid, coarse.grid
    places = places_on(fine.lat, fine.lon, grid.lat, grid.lon)
    spans = (f"{name} {getattr(grid, name).min():g} to {getattr(grid, name).max():g}" for name in ("lat", "lon"))
    rule = f"this cell lies outside {coarse.pieces[0][0].path}, whose middles have {' and '.join(spans)}; predictors "
    static.refuse_values("lat", np.isnan(places[..., 0]), fine.lat, f"{rule}must reach over the fine grid", ("y", "x"))
    return places


def _with_ring(values: np.ndarray) -> np.ndarray:
    """Continue (Y, X) linearly by a cell on each side."""
    return np.pad(values, 1, mode="reflect", reflect_type="odd")


def around(degrees: np.ndarray) -> np.ndarray:
    """Bring angles into -180 to 180 degrees."""
    return (degrees + 180) % 360 - 180
