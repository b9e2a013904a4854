"""Functions that a program for pandas may contain, as text.

A helper may call those above it.
"""

TEXTS = (
    '''def convert(table: pa.Table, columns: dict[str, pa.DataType]) -> pd.DataFrame:
    """Give the columns their types; NaN and infinity become null."""
    arrays = []
    for name, kind in columns.items():
        values = table.column(name)
        if pa.types.is_decimal(values.type) and values.type.scale > 0 and pa.types.is_floating(kind):
            # A direct cast rounds twice: 0.07 would not equal the literal 0.07.
            factor = 10**values.type.scale
            if values.type.precision <= 15:
                tens = pa.scalar(Decimal(factor), pa.decimal128(values.type.scale + 1, 0))
                scaled = pc.multiply(values, tens)
                values = pc.divide(scaled.cast(pa.int64()).cast(kind), float(factor))
            else:
                values = values.cast(pa.string())
        values = values.cast(kind)
        if pa.types.is_floating(kind):
            values = pc.if_else(pc.is_finite(values), values, pa.scalar(None, kind))
        arrays.append(values)
    return pa.table(arrays, names=list(columns)).to_pandas(types_mapper=pd.ArrowDtype)
''',
    '''def check_columns(
    path: Path, names: list[str], columns: dict[str, pa.DataType]
) -> None:
    """Stop with a message if the file lacks a column."""
    missing = [name for name in columns if name not in names]
    if missing:
        raise SystemExit(f"{path} has no column {missing[0]!r}; it has {names}")
''',
    '''def read_parquet(path: Path, columns: dict[str, pa.DataType]) -> pd.DataFrame:
    """Read columns of a Parquet file."""
    with pq.ParquetFile(path) as file:
        check_columns(path, file.schema_arrow.names, columns)
        return convert(file.read(columns=list(columns)), columns)
''',
    '''def read_batches(
    path: Path, columns: dict[str, pa.DataType]
) -> Iterator[pd.DataFrame]:
    """Yield columns of a Parquet file in batches; an empty file has one batch."""
    with pq.ParquetFile(path) as file:
        check_columns(path, file.schema_arrow.names, columns)
        if not file.metadata.num_rows:
            yield convert(file.read(columns=list(columns)), columns)
        for batch in file.iter_batches(BATCH_SIZE, columns=list(columns)):
            yield convert(pa.Table.from_batches([batch]), columns)
''',
    '''def read_csv(path: Path, columns: dict[str, pa.DataType]) -> pd.DataFrame:
    """Read columns of a CSV file; an empty field is null."""
    with path.open(encoding="utf-8", newline="") as file:
        check_columns(path, next(csv.reader(file), []), columns)
    options = pv.ConvertOptions(
        column_types=columns, include_columns=list(columns), null_values=[""], strings_can_be_null=True
    )
    dialect = pv.ParseOptions(newlines_in_values=True)
    return convert(pv.read_csv(path, parse_options=dialect, convert_options=options), columns)
''',
    '''def literal(frame: pd.DataFrame, value: object, kind: pd.ArrowDtype) -> pd.Series:
    """Repeat a constant for each row."""
    return pd.Series([value] * len(frame), index=frame.index, dtype=kind)
''',
    '''def is_null(values: pd.Series) -> pd.Series:
    """Return where the values are null."""
    return values.isna().astype(BOOLEAN)
''',
    '''def choose(condition: pd.Series, yes: pd.Series, no: pd.Series) -> pd.Series:
    """Take `yes` where the condition is true, `no` where it is false or null."""
    return yes.where(condition.fillna(False), no)
''',
    '''def null_if(values: pd.Series, others: pd.Series) -> pd.Series:
    """Replace the values that equal the others by null."""
    return values.where(~(values == others).fillna(False))
''',
    '''def member(values: pd.Series, options: list[object]) -> pd.Series:
    """Return where a value is one of the options; null where it is null."""
    return values.isin(options).astype(BOOLEAN).where(values.notna())
''',
    '''def divide(left: pd.Series, right: pd.Series) -> pd.Series:
    """Divide; null where the divisor is zero."""
    return left.astype(FLOAT) / right.astype(FLOAT).where((right != 0).fillna(False))
''',
    '''def quotient(left: pd.Series, right: pd.Series) -> pd.Series:
    """Divide integers and drop the fraction; null where the divisor is zero."""
    right = right.where((right != 0).fillna(False))
    size = left.abs() // right.abs()
    return size.where(((left < 0) == (right < 0)).fillna(True), -size)
''',
    '''def remainder(left: pd.Series, right: pd.Series) -> pd.Series:
    """Return the remainder, which has the sign of `left`; null where the divisor is zero."""
    return left - right * quotient(left, right)
''',
    '''def join_keys(
    right: pd.DataFrame, left_on: list[str], right_on: list[str]
) -> pd.DataFrame:
    """Drop the rows without a key, which match none, and name the keys as on the left."""
    return right.dropna(subset=right_on).rename(columns=dict(zip(right_on, left_on, strict=True)))
''',
    '''def has_match(
    left: pd.DataFrame, right: pd.DataFrame, left_on: list[str], right_on: list[str]
) -> pd.Series:
    """Return which rows on the left have a match."""
    keys = join_keys(right[right_on], left_on, right_on).drop_duplicates()
    # Longer than each key, so none of them.
    flag = "".join(left_on) + "?"
    keys[flag] = True
    merged = left[left_on].merge(keys, on=left_on, how="left")
    return pd.Series(merged[flag].notna().to_numpy(), index=left.index)
''',
    '''def is_in(left: pd.Series, right: pd.Series) -> pd.Series:
    """Return which values on the left are on the right; null is not."""
    return left.isin(right.dropna())
''',
    '''def join(
    left: pd.DataFrame, right: pd.DataFrame, left_on: list[str], right_on: list[str], how: str
) -> pd.DataFrame:
    """Join by keys; rows without a key match none."""
    return left.merge(join_keys(right, left_on, right_on), on=left_on, how=how)
''',
    '''def lookup(
    left: pd.DataFrame, right: pd.DataFrame, left_on: list[str], right_on: list[str], how: str
) -> pd.DataFrame:
    """Join by the position of one unique key; merge if there are several or one repeats."""
    right = join_keys(right, left_on, right_on)
    if len(left_on) > 1 or not right[left_on[0]].is_unique:
        return left.merge(right, on=left_on, how=how)
    positions = pd.Index(right[left_on[0]]).get_indexer(pd.Index(left[left_on[0]]))
    if how == "inner":
        left, positions = left[positions >= 0], positions[positions >= 0]
    added = right.drop(columns=left_on).reset_index(drop=True).reindex(positions).reset_index(drop=True)
    return pd.concat([left.reset_index(drop=True), added], axis=1)
''',
    '''def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Write the result."""
    table = pa.Table.from_pandas(frame, schema=RESULT, preserve_index=False)
    pq.write_table(table.replace_schema_metadata(None), path)
''',
    '''def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write the result."""
    pv.write_csv(pa.Table.from_pandas(frame, schema=RESULT, preserve_index=False), path)
''',
)
HELPERS = {text.partition("(")[0].removeprefix("def "): text for text in TEXTS}
