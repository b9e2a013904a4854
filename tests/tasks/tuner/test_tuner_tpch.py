"""Eight queries of TPC-H at scale 0.01, on each engine.

Oracles: the answers that DuckDB publishes for scale 0.01 (`extension/tpch/dbgen/answers/sf0.01`, queries 1,
3, 4, 6, 10 and 14), and for all eight the text of the TPC-H specification, revision 3.0.1, run by SQLite
with its validation values.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tasks.tuner.generator.configuration import Configuration
from tasks.tuner.generator.execute import Limits, execute
from tasks.tuner.generator.generate import generate, load_plan

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parent / "queries"
QUERIES = ("q01", "q03", "q04", "q05", "q06", "q10", "q12", "q14")
RELATIVE = 1e-9
Row = tuple[object, ...]

# One configuration per execution; the other choices vary between them. All queries on each engine once,
# then those with joins of each kind.
JOINS = ("q04", "q05", "q10")
RUNS = (
    (Configuration("pandas", "merge"), QUERIES),
    (Configuration("polars", "lazy"), QUERIES),
    (Configuration("duckdb", "views", threads=2), QUERIES),
    (Configuration("pandas", "lookup", batch_size=20_000), JOINS),
    (Configuration("polars", "eager", read="all", filters="written"), JOINS),
    (Configuration("polars", "streaming", batch_size=5_000), JOINS),
    (Configuration("duckdb", "tables", batch_size=5_000, filters="written"), JOINS),
)

# The prices of these answers have four or six digits after the point, the sums of query 1 were rounded.
PUBLISHED: dict[str, tuple[float, list[Row]]] = {
    "q01": (
        1e-4,
        [
            (
                "A",
                "F",
                380456,
                532348211.65,
                505822441.4861,
                526165934.000839,
                25.575155,
                35785.709307,
                0.050081,
                14876,
            ),
            (
                "N",
                "F",
                8971,
                12384801.37,
                11798257.208,
                12282485.056933,
                25.778736,
                35588.509684,
                0.047759,
                348,
            ),
            (
                *("N", "O", 742802, 1041502841.45, 989737518.6346, 1029418531.523352),
                *(25.454988, 35691.129209, 0.049931, 29181),
            ),
            (
                "R",
                "F",
                381449,
                534594445.35,
                507996454.4067,
                528524219.358906,
                25.597168,
                35874.006533,
                0.049828,
                14902,
            ),
        ],
    ),
    "q03": (
        1e-9,
        [
            (47714, 267010.5894, date(1995, 3, 11), 0),
            (22276, 266351.5562, date(1995, 1, 29), 0),
            (32965, 263768.3414, date(1995, 2, 25), 0),
            (21956, 254541.1285, date(1995, 2, 2), 0),
            (1637, 243512.7981, date(1995, 2, 8), 0),
            (10916, 241320.0814, date(1995, 3, 11), 0),
            (30497, 208566.6969, date(1995, 2, 7), 0),
            (450, 205447.4232, date(1995, 3, 5), 0),
            (47204, 204478.5213, date(1995, 3, 13), 0),
            (9696, 201502.2188, date(1995, 2, 20), 0),
        ],
    ),
    "q04": (
        1e-9,
        [("1-URGENT", 93), ("2-HIGH", 103), ("3-MEDIUM", 109), ("4-NOT SPECIFIED", 102), ("5-LOW", 128)],
    ),
    "q06": (1e-9, [(1193053.2253,)]),
    "q14": (1e-7, [(15.486546,)]),
}
# Query 10: key, revenue and balance; the other columns follow from the key.
CUSTOMERS: list[Row] = [
    (679, 378211.3252, 1394.44),
    (1201, 374331.534, 5165.39),
    (422, 366451.0126, -272.14),
    (334, 360370.755, -405.91),
    (805, 359448.9036, 511.69),
    (932, 341608.2753, 6553.37),
    (853, 341236.6246, -444.73),
    (872, 338328.7808, -858.61),
    (737, 338185.3365, 2501.74),
    (1118, 319875.728, 4130.18),
    (223, 319564.275, 7476.2),
    (808, 314774.6167, 5561.93),
    (478, 299651.8026, -210.4),
    (1441, 294705.3935, 9465.15),
    (1478, 294431.9178, 9701.54),
    (211, 287905.6368, 4198.72),
    (197, 283190.4807, 9860.22),
    (1030, 282557.3566, 6359.27),
    (1049, 281134.1117, 8747.99),
    (1094, 274877.444, 2544.49),
]

# Texts of the specification with its validation values. Dates are text in SQLite, intervals are added.
SQL = {
    "q01": """select l_returnflag, l_linestatus, sum(l_quantity), sum(l_extendedprice),
        sum(l_extendedprice * (1 - l_discount)), sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)),
        avg(l_quantity), avg(l_extendedprice), avg(l_discount), count(*)
        from lineitem where l_shipdate <= '1998-09-02'
        group by l_returnflag, l_linestatus order by l_returnflag, l_linestatus""",
    "q03": """select l_orderkey, sum(l_extendedprice * (1 - l_discount)) as revenue, o_orderdate,
        o_shippriority from customer, orders, lineitem
        where c_mktsegment = 'BUILDING' and c_custkey = o_custkey and l_orderkey = o_orderkey
        and o_orderdate < '1995-03-15' and l_shipdate > '1995-03-15'
        group by l_orderkey, o_orderdate, o_shippriority order by revenue desc, o_orderdate limit 10""",
    "q04": """select o_orderpriority, count(*) from orders
        where o_orderdate >= '1993-07-01' and o_orderdate < '1993-10-01' and exists (
            select * from lineitem where l_orderkey = o_orderkey and l_commitdate < l_receiptdate)
        group by o_orderpriority order by o_orderpriority""",
    "q05": """select n_name, sum(l_extendedprice * (1 - l_discount)) as revenue
        from customer, orders, lineitem, supplier, nation, region
        where c_custkey = o_custkey and l_orderkey = o_orderkey and l_suppkey = s_suppkey
        and c_nationkey = s_nationkey and s_nationkey = n_nationkey and n_regionkey = r_regionkey
        and r_name = 'ASIA' and o_orderdate >= '1994-01-01' and o_orderdate < '1995-01-01'
        group by n_name order by revenue desc""",
    "q06": """select sum(l_extendedprice * l_discount) from lineitem
        where l_shipdate >= '1994-01-01' and l_shipdate < '1995-01-01'
        and l_discount between 0.05 and 0.07 and l_quantity < 24""",
    "q10": """select c_custkey, c_name, sum(l_extendedprice * (1 - l_discount)) as revenue, c_acctbal, n_name,
        c_address, c_phone, c_comment from customer, orders, lineitem, nation
        where c_custkey = o_custkey and l_orderkey = o_orderkey and o_orderdate >= '1993-10-01'
        and o_orderdate < '1994-01-01' and l_returnflag = 'R' and c_nationkey = n_nationkey
        group by c_custkey, c_name, c_acctbal, c_phone, n_name, c_address, c_comment
        order by revenue desc limit 20""",
    "q12": """select l_shipmode,
        sum(case when o_orderpriority = '1-URGENT' or o_orderpriority = '2-HIGH' then 1 else 0 end),
        sum(case when o_orderpriority <> '1-URGENT' and o_orderpriority <> '2-HIGH' then 1 else 0 end)
        from orders, lineitem where o_orderkey = l_orderkey and l_shipmode in ('MAIL', 'SHIP')
        and l_commitdate < l_receiptdate and l_shipdate < l_commitdate
        and l_receiptdate >= '1994-01-01' and l_receiptdate < '1995-01-01'
        group by l_shipmode order by l_shipmode""",
    "q14": """select 100.00 * sum(case when p_type like 'PROMO%' then l_extendedprice * (1 - l_discount)
        else 0 end) / sum(l_extendedprice * (1 - l_discount)) from lineitem, part
        where l_partkey = p_partkey and l_shipdate >= '1995-09-01' and l_shipdate < '1995-10-01'""",
}
INDEXES = ("orders(o_orderkey)", "lineitem(l_orderkey)", "customer(c_custkey)", "part(p_partkey)")


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generate the eight tables at scale 0.01, once."""
    folder = tmp_path_factory.mktemp("tpch")
    command = Path(sys.executable).with_name("tpchgen-cli")
    words = ["parquet", "-s", "0.01", "-n", "1", "--no-progress", "--quiet", "-o", str(folder)]
    subprocess.run([command, *words], check=True, timeout=300)
    return folder


@pytest.fixture(scope="module")
def expected(tables: Path) -> dict[str, list[Row]]:
    """Run the texts of the specification with SQLite."""
    connection = sqlite3.connect(":memory:")
    for name in ("customer", "orders", "lineitem", "supplier", "nation", "region", "part"):
        table = pq.read_table(tables / f"{name}.parquet")
        used = " ".join(SQL.values())
        table = table.select([column for column in table.column_names if column in used])
        connection.execute(f"create table {name} ({', '.join(table.column_names)})")
        columns = [[_sqlite(value) for value in column.to_pylist()] for column in table.columns]
        marks = ", ".join("?" * len(columns))
        connection.executemany(f"insert into {name} values ({marks})", zip(*columns, strict=True))
    for number, columns_of_index in enumerate(INDEXES):
        connection.execute(f"create index index_{number} on {columns_of_index}")
    return {name: connection.execute(text).fetchall() for name, text in SQL.items()}


def _sqlite(value: object) -> object:
    if isinstance(value, Decimal):
        return float(value)
    return value.isoformat() if isinstance(value, date) else value


def rows_of(path: Path) -> list[Row]:
    """Return the rows of a result in their order."""
    table = pq.read_table(path)
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def assert_equal(found: list[Row], wanted: list[Row], relative: float = RELATIVE) -> None:
    """Compare rows; numbers within a relative tolerance, everything else exactly."""
    assert len(found) == len(wanted)
    for mine, other in zip(found, wanted, strict=True):
        for a, b in zip(mine, other, strict=True):
            if isinstance(a, float):
                assert a == pytest.approx(b, rel=relative, abs=0)
            else:
                assert (a.isoformat() if isinstance(a, date) and isinstance(b, str) else a) == b


@pytest.mark.parametrize(
    ("configuration", "queries"), RUNS, ids=[f"{c.engine}-{c.execution}" for c, _ in RUNS]
)
def test_queries_equal_the_answers(
    tables: Path,
    expected: dict[str, list[Row]],
    configuration: Configuration,
    queries: tuple[str, ...],
    tmp_path: Path,
) -> None:
    """Compare each query with SQLite, and with the published answer if any.

    Both sides keep their order: each query but the one-row ones sorts by a key without ties.
    """
    for name in queries:
        program = generate(load_plan(FOLDER / f"{name}.yaml"), configuration)
        out = tmp_path / f"{name}.parquet"
        result = execute(program, tables, out, Limits(seconds=120, threads=configuration.threads))
        assert result.status == "done", f"{name}: {result.error}"
        found = rows_of(out)
        assert_equal(found, expected[name])
        if name in PUBLISHED:
            relative, wanted = PUBLISHED[name]
            assert_equal(found, wanted, relative)
        if name == "q10":
            assert_equal([(row[0], row[2], row[3]) for row in found], CUSTOMERS)
