"""Areas as a table for spreadsheets: ``areas.csv`` of an output folder with a row of totals."""

from pathlib import Path
from typing import ClassVar

from acseg.errors import DataError
from acseg.export.format import Format, Options
from acseg.export.source import Labelled, Legend
from acseg.output.areas import Cell, area_table, write_areas
from acseg.output.atomic import AtomicFile
from acseg.output.records import ClassRecord, Record
from acseg.output.tally import Tally


class Csv(Format):
    """A row for each picture, a column for each class; see `acseg.output.areas`.

    Into a file NAME.csv, or ``areas.csv`` in a folder.
    """

    suffix: ClassVar[str | None] = ".csv"

    def __init__(self, target: Path, legend: Legend, options: Options) -> None:
        super().__init__(target, legend, options)
        self._path = target if self.is_file(target) else target / f"areas{self.suffix}"
        self._records: list[Record] = []

    def add(self, picture: Labelled) -> None:
        """Take one picture."""
        self._records.append(picture.record)

    def finish(self) -> None:
        """Write the table."""
        classes = [
            ClassRecord(c, self.legend.names[c].replace(f"class-{c}", f"class {c}"), (0, 0, 0))
            for c in sorted(self.seen)
            if self.legend.kind == "classes"
        ]
        self.write(list(area_table(self._records, Tally(self._records), classes, total=True)))

    def write(self, rows: list[list[Cell]]) -> None:
        """Write rows, the heading first."""
        write_areas(self._path, rows)


class Xlsx(Csv):
    """The same as an Excel workbook, the heading frozen."""

    suffix: ClassVar[str | None] = ".xlsx"

    def __init__(self, target: Path, legend: Legend, options: Options) -> None:
        try:
            import openpyxl  # noqa: F401
        except ImportError:
            raise DataError("Excel needs openpyxl; pip install 'acseg[export]'") from None
        super().__init__(target, legend, options)

    def write(self, rows: list[list[Cell]]) -> None:
        """Write rows, the heading first."""
        from openpyxl import Workbook
        from openpyxl.cell import WriteOnlyCell
        from openpyxl.styles import Font

        book = Workbook(write_only=True)
        sheet = book.create_sheet("areas")
        sheet.freeze_panes = "B2"
        for n, row in enumerate(rows):
            cells = []
            for value in row:
                cell = WriteOnlyCell(sheet, value=value)
                if isinstance(value, str):
                    cell.data_type = "s"  # a name that begins with = is no formula
                if n in (0, len(rows) - 1):
                    cell.font = Font(bold=True)
                cells.append(cell)
            sheet.append(cells)
        with AtomicFile(self._path) as file:
            book.save(file.file)
