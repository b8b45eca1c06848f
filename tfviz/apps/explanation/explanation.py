"""`Explanation`: the results of several methods, with what is needed to read, show and keep them.

It adds nothing to the numbers of `Results`; it shows them as figures and writes them as files. Rows are image by image,
and within an image target by target. Whether a sign means something is asked of the registry, by the method's name, and
left to the values only for attributions that were reduced to maps.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfviz.apps.explanation.html import explanation_page
from tfviz.apps.explanation.manifest import manifest_entry, manifest_of, write_manifest
from tfviz.apps.explanation.shown import channel_step, own_colors_of, own_colors_of_columns, shown, signs_of, with_more
from tfviz.apps.explanation.titles import column_titles, image_titles, known_names, row_titles, true_classes
from tfviz.apps.files import PICTURE_SUFFIX, check_file_names, file_part, write_array, write_figure, written_together
from tfviz.errors import InvalidImagesError
from tfviz.methods import Results
from tfviz.results import as_titles, check_options, check_pictures, grey_picture, options_of, plot, tiles, to_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOTS_PER_INCH = 150
"""Of the pictures in files."""
BY_CLASS = "classes"
UNDERLINE = "----------\n"
OF_ROWS = {"signed", "per_image"}
"""What an explanation tells `tfviz.results.plot` itself."""
LOOK = [name for name in (*options_of(plot), *options_of(tiles)) if name not in OF_ROWS]


@dataclass(frozen=True, repr=False)
class Explanation(Results):
    """What methods found for N images, shown and kept.

    Attributes
    ----------
    signed : {name: bool or None}
        Whether the sign of what each method found, as `shown` returns it, means something; None if only its values can
        tell.
    own_colors : {name: bool}
        Whether what each method found is shown in its own colours, if it is attributions.
    """

    def __repr__(self) -> str:
        """Return what was found, without the numbers."""
        found = ", ".join(f"{name} {values.shape}" for name, values in self.maps.items())
        each = f", {self.targets_per_image} targets each," if self.targets_per_image > 1 else ""
        return f"Explanation of {self._image_count} images{each} by {self.model!r}: {found}; {self.scored_by}"

    def _repr_html_(self) -> str:
        """Return the page that a notebook shows by this name, see `explanation_page`."""
        return explanation_page(self)

    def by_row(self, pictures: ArrayLike) -> NDArray[np.uint8]:
        """Return the picture of each row (N, H, W, 3), of pictures of the rows or of the images, or of the only image.

        A network with one channel saw them in grey, and they are returned in grey. Raises `InvalidImagesError` if their
        number fits neither, or they are not RGB (see `tfviz.results`).
        """
        given = check_pictures(pictures)
        given = given[np.newaxis] if given.ndim == 3 else given
        given = grey_picture(given) if self.data_format.to_last(self.images).shape[3] == 1 else given
        rows, per_image = len(self.targets), self.targets_per_image
        if len(given) == rows:
            return given
        if len(given) == self._image_count:
            return np.repeat(given, per_image, axis=0)
        each = f" of {per_image} targets each" if per_image > 1 else ""
        raise InvalidImagesError(
            f"expected one picture for each of {self._image_count} images{each}, got pictures of shape {given.shape}"
        )

    def file_names(self, images: Sequence[str]) -> list[str]:
        """Return the file names of all rows, made from those of the `images`: with the class, if there are several."""
        endings = [f".class_{target}" if self.targets_per_image > 1 else "" for target in self.targets]
        return [f"{images[row // self.targets_per_image]}{ending}" for row, ending in enumerate(endings)]

    def titles(self, class_names: Sequence[str] | None = None, true: Sequence[int | str] | None = None) -> list[str]:
        """Return a title per row: the class and its probability or, if there is none, the score.

        With the `true` labels, as `plot` takes them, it names the true, the predicted and the explained class.
        class_names: None are those of the network, if it knows them.
        """
        known = known_names(self, class_names)
        return row_titles(self, known, None if true is None else true_classes(self, true, known))

    def plot(
        self,
        pictures: ArrayLike | None = None,
        class_names: Sequence[str] | None = None,
        *,
        order: str = "rgb",
        columns: Mapping[str, ArrayLike] | None = None,
        true: Sequence[int | str] | None = None,
        titles: Sequence[str] | None = None,
        **look: Any,
    ) -> Figure:
        """Return a matplotlib figure of the images beside what each method found, one image per row by default.

        Parameters
        ----------
        pictures
            The images as a person sees them, RGB (N, H, W, 3), one per image or one per target, or (H, W, 3) of the
            only one: uint8, or floats 0..1 or 0..255 (see `tfviz.results`). None stretches the network's own input.
        class_names
            In the order of the classes, for the titles; None are those of the network, if it knows them.
        order
            The order of the network's channels, `rgb`, `bgr` or `grey`: attributions are shown as red, green, blue.
        columns
            More columns, as `tfviz.results.plot` takes them.
        true
            The true class of each image, an index or one of `class_names`: "true cat, predicted dog 0.512".
        titles
            In place of those with classes and probabilities, or `true` classes; one per row.
        **look
            `layout` (of which `classes` shows all classes of an image in one row and scale), `figsize`, `dpi`,
            `colorbar`, `pyplot`, `colormap`, `blend`, `alpha`, `clip_percentile` and whatever else
            `tfviz.results.plot` takes. Pyplot keeps what it knows: say `pyplot=False` where you make hundreds.

        Raises
        ------
        InvalidImagesError
            The number of `pictures` does not fit.
        TfvizError
            An option does not exist or does not fit, or there is not one title per row or label per image.
        """
        check_options("plot", look, ["pictures", "class_names", *options_of(Explanation.plot), *LOOK])
        step = channel_step(order)
        images = self.data_format.to_last(self.images)
        shown = to_picture(images[..., ::step]) if pictures is None else self.by_row(pictures)
        columns_of = column_titles(self)
        found = {columns_of[name]: values for name, values in self.shown(order).items()}
        signed = {columns_of[name]: each for name, each in self.signed.items()}
        look["own_colors"] = own_colors_of_columns(self, look.get("own_colors"), columns_of)
        by_class = look.get("layout") == BY_CLASS
        own = self.titles(class_names, None if by_class else true)
        above = own if titles is None else titles
        if by_class:
            above_images = image_titles(self, known_names(self, class_names), true)
            look = {"per_image": self.targets_per_image, "image_titles": above_images, **look}
        return plot(shown, with_more(found, columns or {}), titles=above, signed=signed, **look)

    def shown(self, order: str = "rgb") -> dict[str, np.ndarray]:
        """Return what the methods found as `tfviz.results.tiles` shows it: attributions as red, green, blue.

        Of maps whose background is not zero their minimum is taken off, and in some what speaks against the class is
        left out (see `Method.shown_from`).
        """
        return {name: shown(name, values, order) for name, values in self.in_channels_last().items()}

    @property
    def signed(self) -> dict[str, bool | None]:
        """Whether the sign of what each method found means something."""
        return signs_of(self)

    @property
    def own_colors(self) -> dict[str, bool]:
        """Whether what each method found is shown in its own colours."""
        return own_colors_of(self)

    def in_channels_last(self) -> dict[str, np.ndarray]:
        """Return what the methods found with the channels of attributions last, (N, H, W, C)."""
        return {name: self.data_format.to_last(each) if each.ndim == 4 else each for name, each in self.maps.items()}

    def save(
        self,
        folder: str | Path,
        *,
        names: Sequence[str] | None = None,
        pictures: ArrayLike | None = None,
        class_names: Sequence[str] | None = None,
        true: Sequence[int | str] | None = None,
        titles: Sequence[str] | None = None,
        **look: Any,
    ) -> Path:
        """Write a picture of each row, the raw float32 maps (.npy) and `manifest.json`; return the manifest's path.

        Parameters
        ----------
        folder
            Made if it does not exist. Files of the same names are replaced; after an error, nothing is written.
        names
            The file names of all rows; None is `image_0` and so on or, if an image has several targets,
            `image_0.class_281`.
        pictures, class_names, true, titles, **look
            As `plot` takes them, `order` included; `dpi` is 150 if it is not given. The layout `classes` gives one
            picture of all rows of an image, with the name of the first.

        Raises
        ------
        TfvizError
            The folder cannot be written, the names are not those of files, one per row, or as `plot`.
        InvalidImagesError
            The number of `pictures` does not fit.
        """
        check_options("save", look, [*options_of(Explanation.save), "order", *LOOK])
        folder = Path(folder)
        names = self.file_names([f"image_{number}" for number in range(self._image_count)]) if names is None else names
        check_file_names(names, len(self.targets))
        by_row = None if pictures is None else self.by_row(pictures)
        labels = None if true is None else true_classes(self, true, known_names(self, class_names))
        above = None if titles is None else as_titles(titles, len(names), "row")
        entries = []
        together = self.targets_per_image if look.get("layout") == BY_CLASS else 1
        with written_together(folder) as unfinished:
            for start in range(0, len(names), together):
                rows = slice(start, start + together)
                of_rows = {"true": labels and labels[start : start + 1], "titles": above and above[rows], **look}
                picture = unfinished / f"{names[start]}{PICTURE_SUFFIX}"
                part = self.select(range(len(names))[rows])
                write_plot(picture, part, None if by_row is None else by_row[rows], class_names, **of_rows)
                for row, name in list(enumerate(names))[rows]:
                    files = {"picture": picture.name, "maps": self.save_maps(row, unfinished / name)}
                    about: dict[str, Any] = {"image": name, "files": files, "true": labels[row] if labels else None}
                    entries.append(manifest_entry(self, row, class_names=class_names, **about))
            return folder / write_manifest(unfinished, manifest_of(self, entries, warnings=self.warnings)).name

    def save_maps(self, row: int, stem: Path) -> dict[str, str]:
        """Write what each method found for image `row` to `stem.METHOD.npy`; return the files' names by the method."""
        files = {name: f"{stem.name}.{file_part(name)}.npy" for name in self.maps}
        for name, file in files.items():
            write_array(stem.with_name(file), self.maps[name][row])
        return files

    @property
    def _image_count(self) -> int:
        return len(self.targets) // self.targets_per_image


# For help(), which does not show the docstring of the class that another is made from.
Explanation.__doc__ = f"{inspect.getdoc(Explanation)}\n{(inspect.getdoc(Results) or '').partition(UNDERLINE)[2]}"


def write_plot(
    path: Path, explanation: Explanation, pictures: ArrayLike | None, class_names: Sequence[str] | None, **look: Any
) -> None:
    """Write the plot of an explanation as a PNG file, by default of `DOTS_PER_INCH`; pyplot does not hear of it."""
    write_figure(path, explanation.plot(pictures, class_names, **{"dpi": DOTS_PER_INCH, **look, "pyplot": False}))
