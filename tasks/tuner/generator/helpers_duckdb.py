"""Functions that a program for duckdb may contain, as text.

A helper may call those above it.
"""

TEXTS = (
    '''def connect() -> duckdb.DuckDBPyConnection:
    """Open a database in memory that reads no variable of this program as a table."""
    connection = duckdb.connect(config={"threads": THREADS, "python_enable_replacements": False})
    # NaN and infinity of a file become null.
    connection.execute("CREATE TEMP MACRO finite(x) AS CASE WHEN isfinite(x::DOUBLE) THEN x::DOUBLE END")
    return connection
''',
    '''def text_literal(value: str) -> str:
    """Return a text as SQL."""
    return "'" + value.replace("'", "''") + "'"
''',
    '''def file_literal(path: Path) -> str:
    """Return a path as SQL that names one file: wildcards in brackets stand for themselves."""
    return text_literal("".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(path)))
''',
    '''def open_file(
    connection: duckdb.DuckDBPyConnection, path: Path, call: str, name: str, columns: list[str]
) -> None:
    """Name a file; stop with a message if there is none or it lacks a column."""
    if not path.is_file():
        raise SystemExit(f"{path} is not a file")
    connection.execute(f'CREATE TEMP VIEW "{name}" AS SELECT * FROM {call}')
    names = [row[0] for row in connection.execute(f'DESCRIBE "{name}"').fetchall()]
    missing = [column for column in columns if column not in names]
    if missing:
        raise SystemExit(f"{path} has no column {missing[0]!r}; it has {names}")
''',
    '''def open_parquet(
    connection: duckdb.DuckDBPyConnection, path: Path, name: str, columns: list[str]
) -> None:
    """Name a Parquet file."""
    call = f"read_parquet({file_literal(path)}, hive_partitioning=false)"
    open_file(connection, path, call, name, columns)
''',
    '''def open_csv(connection: duckdb.DuckDBPyConnection, path: Path, name: str, columns: list[str]) -> None:
    """Name a CSV file, each field as text; an empty one is null."""
    options = "header=true, all_varchar=true, delim=',', quote='\\"', escape='\\"', auto_detect=true"
    call = f"read_csv({file_literal(path)}, {options}, hive_partitioning=false)"
    open_file(connection, path, call, name, columns)
''',
    '''def write(
    connection: duckdb.DuckDBPyConnection, path: Path, query: str, options: str, batch_size: int = 0
) -> None:
    """Write the result, in groups of `batch_size` rows if it is given."""
    groups = f", ROW_GROUP_SIZE {batch_size}" if batch_size else ""
    connection.execute(f"COPY ({query}) TO {text_literal(str(path))} ({options}{groups})")
''',
)
HELPERS = {text.partition("(")[0].removeprefix("def "): text for text in TEXTS}
