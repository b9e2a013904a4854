"""Functions that a program for polars may contain, as text.

A helper may call those above it.
"""

TEXTS = (
    '''def check_columns(
    path: Path, frame: pl.LazyFrame, columns: list[str]
) -> pl.LazyFrame:
    """Stop with a message if the file lacks a column."""
    names = frame.collect_schema().names()
    missing = [name for name in columns if name not in names]
    if missing:
        raise SystemExit(f"{path} has no column {missing[0]!r}; it has {names}")
    return frame
''',
    '''def scan_parquet(path: Path, columns: list[str]) -> pl.LazyFrame:
    """Open a Parquet file."""
    return check_columns(path, pl.scan_parquet(path, glob=False, hive_partitioning=False), columns)
''',
    '''def scan_csv(path: Path, columns: list[str]) -> pl.LazyFrame:
    """Open a CSV file, each field as text; an empty one is null."""
    # polars keeps the doubled quotes of a name in quotes.
    with path.open(encoding="utf-8", newline="") as file:
        names = next(csv.reader(file), [])
    return check_columns(path, pl.scan_csv(path, infer_schema=False, new_columns=names, glob=False), columns)
''',
    '''def text(name: str) -> pl.Expr:
    """Return a column of text; empty text of a CSV file is null."""
    values = pl.col(name)
    return pl.when(values != "").then(values).alias(name)
''',
    '''def number(name: str) -> pl.Expr:
    """Return a column of floats; NaN and infinity become null."""
    values = pl.col(name).cast(pl.Float64)
    return pl.when(values.is_finite()).then(values).alias(name)
''',
    '''def divide(left: pl.Expr, right: pl.Expr) -> pl.Expr:
    """Divide; null where the divisor is zero."""
    return left / pl.when(right != 0).then(right)
''',
    '''def quotient(left: pl.Expr, right: pl.Expr) -> pl.Expr:
    """Divide integers and drop the fraction; null where the divisor is zero."""
    size = left.abs() // pl.when(right != 0).then(right).abs()
    return pl.when((left < 0) == (right < 0)).then(size).otherwise(-size)
''',
    '''def remainder(left: pl.Expr, right: pl.Expr) -> pl.Expr:
    """Return the remainder, which has the sign of `left`; null where the divisor is zero."""
    return left - right * quotient(left, right)
''',
    '''def null_if(values: pl.Expr, others: pl.Expr) -> pl.Expr:
    """Replace the values that equal the others by null."""
    return pl.when((values != others).fill_null(True)).then(values)
''',
    '''def total(values: pl.Expr) -> pl.Expr:
    """Sum the values; null if there are none."""
    return pl.when(values.count() > 0).then(values.sum())
''',
)
HELPERS = {text.partition("(")[0].removeprefix("def "): text for text in TEXTS}
