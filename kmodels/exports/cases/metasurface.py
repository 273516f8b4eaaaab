"""MetasurfaceNet: patterns and wavelengths in, spectra out."""

from kmodels.exports.signature import Signature, Tensor


def signature(recipe) -> Signature:
    """Leave out the random symmetries of a training."""
    low, high = recipe.data.wavelength
    spaced = f"(w,) evenly spaced, {(high - low) / (recipe.data.n_wavelengths - 1):g} nm apart"
    inputs = {
        "pattern": Tensor("1", "(y, x, 1) 1 where there is silicon nitride, else 0"),
        "wavelength": Tensor("nm", spaced),
    }
    if recipe.model.few_orders:
        solved = f"(2, 2, w) transmittance to each pixel as FewOrders solves it with {recipe.model.few_orders} orders"
        inputs["few_orders"] = Tensor("1", solved)
    return Signature(
        inputs=inputs,
        outputs={
            "spectra": Tensor("1", "(2, 2, w) transmittance to each pixel, 0 to 1"),
            "reflected": Tensor("1", "(w,) reflectance, 0 to 1"),
        },
        sample=("n_structures", 64),
        plain={"augment": False},
    )
