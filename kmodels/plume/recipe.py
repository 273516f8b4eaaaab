"""Every number of a plume run."""

from typing import ClassVar, Literal, get_args

from pydantic import Field, model_validator

from kmodels.core.spec.recipe import Recipe, Section, TrainSection

Range = tuple[float, float]
Architecture = Literal["v1_ensemble", "v2_convlstm"]
Engine = Literal["finite_volume", "puff"]
Base = Literal["none", "persistence", "wind_moved", "transport", "solver"]
ARCHITECTURES, BASES = get_args(Architecture), get_args(Base)
GIVEN_BASES = ("persistence", "wind_moved")  # those that come with the data, as an input of the network


class Grid(Section):
    """The volume: cells of dx x dx x dz, the lowest on sea level."""

    nz: int = Field(8, ge=2, le=200, description="levels [cells]")
    ny: int = Field(20, ge=4, le=1000, description="cells from south to north [cells]")
    nx: int = Field(20, ge=4, le=1000, description="cells from west to east [cells]")
    dx: float = Field(100.0, gt=0, description="width of a cell [m]")
    dz: float = Field(20.0, gt=0, description="height of a cell [m]")


class Data(Section):
    """What runs there are, and how windows are cut from them."""

    engine: Engine = Field(
        "finite_volume",
        description="what simulates runs: finite_volume over hills; puff: Gaussian puffs over flat ground, whatever "
        "terrain_height is",
    )
    n_runs: int = Field(1000, ge=3, description="simulated runs, each with its own terrain, stacks and weather [runs]")
    frames: int = Field(60, ge=2, description="frames of a run [frames]")
    frame_seconds: float = Field(60.0, gt=0, description="time between two frames [s]")
    terrain_height: float = Field(60.0, ge=0, le=150, description="highest hill [m]")
    stacks: tuple[int, int] = Field((1, 8), description="fewest and most stacks of a run")
    stack_height: Range = Field((10.0, 60.0), description="stack heights, uniform [m]")
    emission: Range = Field((0.1, 100.0), description="emission rates, log-uniform [g/s]")
    wind_speed: Range = Field((0.5, 10.0), description="wind 10 m above ground, uniform [m/s]")
    turning_minutes: Range = Field((10.0, 30.0), description="time scale of the wind direction's random walk [min]")
    turning_degrees: float = Field(20.0, ge=0, le=90, description="its standard deviation [degrees]")
    lid: Range = Field((100.0, 1500.0), description="height of the mixing lid, log-uniform [m]")
    past: int = Field(3, ge=1, le=500, description="frames that the model sees [frames]")
    horizon: int = Field(1, ge=1, le=500, description="the target is so many frames after the last one seen [frames]")
    stride: int = Field(18, ge=1, description="frames between the starts of two windows of a run [frames]")
    split: tuple[float, float, float] = Field(
        (0.80, 0.10, 0.10), description="shares of training, validation and test, by run"
    )
    group: str | int | None = Field(
        None, description="source group to read, of AERMOD's files that hold several; null: there is one"
    )
    grid: Grid = Grid()

    @model_validator(mode="after")
    def _agrees(self):
        if self.past + self.horizon > self.frames:
            raise ValueError(
                f"past = {self.past} and horizon = {self.horizon} need more frames than frames = {self.frames}"
            )
        for name in ("stacks", "stack_height", "emission", "wind_speed", "turning_minutes", "lid"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"{name} = [{low:g}, {high:g}]: needs 0 < lowest <= highest")
        top = self.grid.nz * self.grid.dz
        if self.terrain_height > 0.8 * top:
            raise ValueError(
                f"terrain_height = {self.terrain_height:g} m leaves no air below the grid's top, {top:g} m"
            )
        if min(self.split) <= 0:
            raise ValueError(f"split = {self.split}: every part needs a share above 0")
        return self


class Model(Section):
    """How concentrations are scaled, and the network."""

    architecture: Architecture = Field(
        "v2_convlstm", description="v1_ensemble: pools every frame to a vector; v2_convlstm: keeps the volume"
    )
    wind: bool = Field(True, description="wind of every frame as two more input channels")
    base: Base = Field(
        "solver",
        description="none: the network's output alone; persistence, wind_moved: that added in log space to the last "
        "frame, or to the last frame moved by its wind; transport: a step of transport whose coefficients the network "
        "gives; solver: the equation itself, solved with coefficients that the network gives",
    )
    transport: bool = Field(
        False,
        description="four more maps: the last two frames moved by their winds, and what was emitted under these winds",
    )
    memory: float = Field(
        0.9,
        ge=0,
        le=1,
        description="base transport and solver: share of what it missed in the last step that is added to the next one",
    )
    substeps: int = Field(
        10, ge=2, le=1000, multiple_of=2, description="base solver: steps from a frame to the next, an even number"
    )
    c0: float = Field(1e-8, gt=0, description="concentrations enter as log1p(c / c0) [kg m-3]")
    filters: int = Field(8, ge=1, le=512, description="channels of the encoder and of each ConvLSTM")
    num_layers: int = Field(1, ge=1, le=8, description="ConvLSTM layers")
    kernel_size: int = Field(3, ge=1, le=9, description="width of every convolution [cells]")
    scales: int = Field(
        2,
        ge=1,
        le=5,
        description="resolutions of the U-Net, each half as fine along y and x; memory is at the coarsest",
    )
    remat: bool = Field(False, description="keep fewer values for the gradient and compute them again: less memory")

    @property
    def needs_wind(self) -> bool:
        """Whether the wind is asked of the data."""
        return self.wind or self.transport or self.base in ("wind_moved", "solver")


class Train(TrainSection):
    """How it is trained."""

    epochs: int = Field(4, ge=1, description="passes over the training data [epochs]")
    batch_size: int = Field(4, ge=1, description="windows a step [windows]")
    learning_rate: float = Field(3e-3, gt=0, le=1, description="Adam's step size at the start")
    mass_weight: float = Field(
        1.0, ge=0, description="weight of the error in total mass; that of the error in log space is 1"
    )
    peak_weight: float = Field(1.0, ge=0, description="weight of the relative squared error of concentrations")
    wind_degrees: float = Field(
        20.0,
        ge=0,
        le=180,
        description="half of the windows are given a wind turned by an angle of this deviation [degrees]",
    )
    wind_share: float = Field(0.2, ge=0, le=1, description="and stretched by a factor whose logarithm has this one")


class PlumeRecipe(Recipe):
    """Forecast concentration volumes over terrain."""

    VARIANTS: ClassVar = {
        "v1": {
            "model": {"architecture": "v1_ensemble", "wind": False, "base": "none"},
            "train": {"epochs": 16},  # as long a training as the default's
        },
        "v2": {"model": {"wind": False, "base": "none"}},
        "transport": {"model": {"transport": True, "base": "transport"}},
    }
    FASTEST: ClassVar = ("jax", "tensorflow", "torch")
    RENAMED: ClassVar = {"model.layers": "model.num_layers", "model.kernel": "model.kernel_size"}
    SMOKE: ClassVar = {
        "data": {
            "n_runs": 8,
            "frames": 36,
            "past": 3,
            "stride": 3,
            "grid": {"nz": 6, "ny": 12, "nx": 12},
            "terrain_height": 20.0,
        },
        "model": {"filters": 4, "num_layers": 1},
        "train": {"epochs": 2},
    }

    task: Literal["plume"] = Field("plume", description="the model that this recipe belongs to")
    data: Data = Data()
    model: Model = Model()
    train: Train = Train()

    @model_validator(mode="after")
    def _agrees(self):
        if self.model.transport and self.data.past < 2:
            raise ValueError(f"model.transport looks at two frames; data.past = {self.data.past}")
        if self.model.base == "transport" and (self.model.architecture != "v2_convlstm" or not self.model.transport):
            raise ValueError("model.base = transport needs model.architecture = v2_convlstm and model.transport = true")
        if self.model.base == "solver" and self.data.past < 2:
            raise ValueError(f"model.base = solver looks at two frames; data.past = {self.data.past}")
        if self.model.base == "solver" and (self.model.architecture != "v2_convlstm" or not self.model.wind):
            raise ValueError("model.base = solver needs model.architecture = v2_convlstm and model.wind = true")
        if self.model.base in ("transport", "solver") and self.data.horizon != 1:
            # What the step to t missed is compared with frame t.
            raise ValueError(
                f"model.base = {self.model.base} forecasts the next frame; data.horizon = {self.data.horizon} needs "
                "another one, such as persistence"
            )
        return self


RECIPE = PlumeRecipe
