"""Every number of an echo run."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from kmodels.core.spec.recipe import Recipe, Section, TrainSection, merge

Range = tuple[float, float]


class Data(Section):
    """The simulated rooms and recordings, and how files are prepared."""

    n_rooms: int = Field(2000, ge=3, description="simulated rooms [rooms]")
    pairs_per_room: int = Field(5, ge=1, description="places where the robot stands in a room [pairs]")
    room_side: Range = Field((3.0, 12.0), description="length and width of a room, uniform [m]")
    room_height: Range = Field((2.4, 4.5), description="floor to ceiling, uniform [m]")
    corridor_width: Range = Field((1.5, 2.5), description="width of a room that is a corridor, uniform [m]")
    unusual: float = Field(1 / 3, ge=0, le=1, description="share of rooms that are L-shaped or corridors, half each")
    furniture: tuple[int, int] = Field((0, 8), description="fewest and most boxes that stand in a room [boxes]")
    absorption: Range = Field((0.05, 0.5), description="share of energy that a surface absorbs, uniform")
    scattering: Range = Field((0.1, 0.5), description="share of what is reflected that goes everywhere, uniform")
    head_height: Range = Field((0.8, 1.5), description="loudspeaker, ears and camera above the floor, uniform [m]")
    ear_spacing: Range = Field((0.15, 0.23), description="distance between the ears, uniform [m]")
    directivity: float = Field(
        0.8, ge=0, le=1, description="of loudspeaker and ears; 0: the same everywhere, 1: cardioid"
    )
    head_shadow: float = Field(
        0.0, ge=0, le=1, description="how much the head shades the ear behind it; 0: not, 1: as a rigid sphere does"
    )
    glass: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of walls that are of glass: they scatter nothing, and their depth is unknown",
    )
    view: Range = Field((86.0, 57.0), description="width and height of the camera's view [degrees]")
    stereo_baseline: float = Field(
        0.12, ge=0, description="depth is unknown where the camera's second eye, so far to the right, sees nothing [m]"
    )
    chirp: Range = Field((20.0, 20_000.0), description="first and last frequency of the chirp [Hz]")
    chirp_ms: float = Field(3.0, gt=0, le=100, description="length of the chirp [ms]")
    noise: Range = Field((15.0, 40.0), description="power of the echoes over that of the noise, uniform [dB]")
    image_size: int = Field(
        64,
        ge=16,
        le=1024,
        multiple_of=16,
        description="width and height of depth images and spectrograms, a multiple of 16 [pixels]",
    )
    max_depth: float = Field(
        12.0, gt=0, le=65, description="depth is cut off here, and the recording after the echo from there [m]"
    )
    split: tuple[float, float, float] = Field(
        (0.86, 0.04, 0.10), description="shares of training, validation and test, by room"
    )
    split_by: Literal["room", "files"] = Field(
        "room", description="room: no room is in two parts; files: by train.csv, val.csv and test.csv, as published"
    )
    resample: bool = Field(
        False, description="resample recordings of another rate to 44.1 kHz, and take a mono one for both ears"
    )

    @model_validator(mode="after")
    def _agrees(self):
        for name in ("room_side", "room_height", "corridor_width", "head_height", "ear_spacing", "view", "chirp"):
            low, high = getattr(self, name)
            if not 0 < low <= high and name != "view":
                raise ValueError(f"{name} = [{low:g}, {high:g}]: needs 0 < lowest <= highest")
        for name in ("absorption", "scattering"):
            low, high = getattr(self, name)
            if not 0 <= low <= high <= 1:
                raise ValueError(f"{name} = [{low:g}, {high:g}]: needs 0 <= lowest <= highest <= 1")
        if not 0 <= self.furniture[0] <= self.furniture[1]:
            raise ValueError(f"furniture = {self.furniture}: needs 0 <= fewest <= most")
        if self.noise[0] > self.noise[1]:
            raise ValueError(f"noise = {self.noise}: needs lowest <= highest")
        if not all(0 < angle < 180 for angle in self.view):
            raise ValueError(f"view = {self.view}: angles lie between 0 and 180 degrees")
        if min(self.room_side[0], self.corridor_width[0]) < NARROWEST:
            raise ValueError(f"room_side and corridor_width: the robot needs {NARROWEST:g} m")
        if self.head_height[1] > self.room_height[0] - 0.2:
            raise ValueError(f"head_height up to {self.head_height[1]:g} m needs rooms that are 0.2 m higher")
        if self.chirp[1] > HIGHEST_FREQUENCY:
            raise ValueError(f"chirp up to {self.chirp[1]:g} Hz: 44.1 kHz hold no more than {HIGHEST_FREQUENCY:g} Hz")
        if min(self.split) <= 0:
            raise ValueError(f"split = {self.split}: every part needs a share above 0")
        return self


NARROWEST = 1.2  # m
HIGHEST_FREQUENCY = 22_050.0  # Hz


class Model(Section):
    """What the network hears, and the network."""

    front_end: Literal["range_azimuth", "range", "spectrogram"] = Field(
        "range_azimuth",
        description="what is made of a recording; range_azimuth: filtered by the chirp, its power by range, and the "
        "correlation of both ears by range and direction; range: the power alone; spectrogram: magnitudes, as the "
        "field has them, for a U-Net, which the fields from architecture to base_width belong to",
    )
    architecture: Literal["base_residual", "single"] = Field(
        "base_residual", description="base_residual: two decoders; single: one decoder, for comparison"
    )
    spectrogram: Literal["log", "magnitude"] = Field(
        "log", description="what the network is given; log: log1p(magnitude / 0.001); magnitude: as the field does"
    )
    moments: int = Field(
        3,
        ge=1,
        le=16,
        description="columns of a spectrogram for each column of the image, as channels: one alone is too coarse to "
        "resolve the delay between the ears",
    )
    coordinates: bool = Field(
        True,
        description="give the network every point's frequency and time as two more channels: depth follows from an "
        "echo's delay, and convolutions do not see their position (Liu et al. 2018)",
    )
    width: int = Field(
        16, ge=1, le=512, description="channels of the encoder's first level and the residual decoder's last"
    )
    base_width: int = Field(4, ge=1, le=512, description="channels of the base decoder's last level")
    single_width: float | None = Field(
        None,
        ge=1,
        le=1024,
        description="channels of the single decoder's last level; none: as many weights as base and residual "
        "decoder have together",
    )
    residual_range: float = Field(
        0.3, gt=0, le=1, description="largest residual, tanh(.) residual_range max_depth, as a share of max_depth"
    )


class Train(TrainSection):
    """How it is trained."""

    epochs: int = Field(5, ge=1, description="passes over the training data [epochs]")
    batch_size: int = Field(16, ge=1, description="pairs a step [pairs]")
    mirror: bool = Field(
        True, description="also train on each pair as it would be in a mirrored room; an epoch is twice as long"
    )
    learning_rate: float = Field(1e-3, gt=0, le=1, description="Adam's step size at the start")
    lambda_recon: float = Field(
        1.0, ge=0, description="weight of the final depth's error; with a curriculum, from the end of its warm-up on"
    )
    lambda_log: float = Field(
        10.0,
        ge=0,
        description="weight of the relative error |log(depth / truth)| beside the error in metres, of depth and base",
    )
    base_quantile: float = Field(
        0.6,
        gt=0,
        lt=1,
        description="the base's error counts twice this where it is too near, and twice 1 - this where it is too far; "
        "above 0.5 the base becomes the room behind what stands in it",
    )
    lambda_base: float = Field(
        1.0,
        ge=0,
        description="weight of the base's error against the low-passed truth; with a curriculum, at its beginning",
    )
    lambda_sparse: float = Field(0.05, ge=0, description="weight of the mean size of the residual")
    lowpass: int = Field(
        1,
        ge=1,
        le=256,
        description="width of the average of the truth that the base is compared with; 1: the truth, for walls by "
        "direction, floor and ceiling say no more than a coarse room; the prototype's 16 of 256 [pixels]",
    )
    curriculum: Literal["none", "adaptive"] = Field(
        "none",
        description="adaptive: over the warm-up the weight of the depth rises from lambda_recon_start to "
        "lambda_recon, that of the base falls from lambda_base to lambda_base_end",
    )
    lambda_recon_start: float = Field(0.3, ge=0, description="weight of the depth at the beginning of the curriculum")
    lambda_base_end: float = Field(0.3, ge=0, description="weight of the base at the end of the curriculum's warm-up")
    warmup_epochs: int = Field(4, ge=1, description="length of the curriculum [epochs]")
    freeze: Literal["all", "sum_only"] = Field(
        "all",
        description="after the curriculum's warm-up; all: the base decoder stays as it is; sum_only: no gradient "
        "reaches it through the sum, but its own loss trains it on, as in the prototype",
    )


# The field's input, the magnitude of a spectrogram, with the prototype's network and loss; and what it is trained on.
U_NET = {
    "model": {"front_end": "spectrogram"},
    "train": {"learning_rate": 2e-3, "lambda_log": 0.0, "base_quantile": 0.5, "lambda_base": 1.2, "lowpass": 4},
}
SPECTROGRAM = merge(U_NET, {"data": {"n_rooms": 600, "split": [0.70, 0.15, 0.15]}, "train": {"epochs": 10}})
# The prototype's two sets of weights for the curriculum: what it came to, and what it had before. The first's warm-up
# of 50 epochs belongs to its full size (configs/echo_full.yaml); the second's stands here.
ADAPTIVE = {"curriculum": "adaptive", "lambda_recon_start": 0.3, "lambda_base": 2.0, "lambda_base_end": 0.3}
ADAPTIVE_BEFORE = ADAPTIVE | {"lambda_recon_start": 0.5, "lambda_base": 1.5, "warmup_epochs": 20}


class EchoRecipe(Recipe):
    """Depth from a chirp's binaural echoes."""

    VARIANTS: ClassVar = {
        "spectrogram": SPECTROGRAM,
        "flawed": merge(
            SPECTROGRAM,
            {
                "model": {"base_width": 16, "residual_range": 0.2},
                "train": {"lambda_base": 0.8, "lambda_sparse": 0.2},
            },
        ),
        "adaptive": merge(SPECTROGRAM, {"train": ADAPTIVE}),
        "adaptive_before": merge(SPECTROGRAM, {"train": ADAPTIVE_BEFORE}),
    }
    BEFORE: ClassVar = {"model": {"front_end": "spectrogram"}, "train": {"lambda_log": 0.0, "base_quantile": 0.5}}
    FASTEST: ClassVar = ("tensorflow", "jax", "torch")
    TUNING: ClassVar = {"train.curriculum": "none"}
    SMOKE: ClassVar = {
        "data": {"n_rooms": 12, "pairs_per_room": 5, "image_size": 32},
        "model": {"width": 4, "base_width": 2},
        "train": {"epochs": 2, "batch_size": 8, "warmup_epochs": 1},
    }

    task: Literal["echo"] = Field("echo", description="the model that this recipe belongs to")
    data: Data = Data()
    model: Model = Model()
    train: Train = Train()

    @property
    def has_base(self) -> bool:
        """Whether the network tells a base from a residual."""
        return self.model.front_end != "spectrogram" or self.model.architecture == "base_residual"


RECIPE = EchoRecipe
