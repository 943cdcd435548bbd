"""Does SQLAlchemy reflect, write and read, over psycopg?"""

import datetime
import decimal

import sqlalchemy as sa
from sqlalchemy import orm

import checks

URL = f"postgresql+psycopg://tarn@{checks.HOST}:{checks.PORT}/{checks.DATABASE}"
ENGINE = sa.create_engine(URL)


def run(*statements):
    with ENGINE.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


def test_connect():
    with ENGINE.connect() as connection:
        assert ENGINE.dialect.server_version_info[0] == 15, ENGINE.dialect.server_version_info
        assert ENGINE.dialect.default_schema_name == "public"
        assert connection.get_isolation_level() in ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")
        assert connection.scalar(sa.text("SELECT 1")) == 1


def test_schemas_tables_and_views():
    run(
        "CREATE SCHEMA shop",
        "CREATE TABLE shop.orders (id int)",
        "CREATE TABLE items (id int)",
        "CREATE VIEW expensive AS SELECT id FROM items WHERE id > 10",
    )
    inspector = sa.inspect(ENGINE)
    assert {"public", "shop"} <= set(inspector.get_schema_names())
    assert inspector.get_table_names() == ["items"]
    assert inspector.get_table_names(schema="shop") == ["orders"]
    assert inspector.get_view_names() == ["expensive"]
    assert "items" in inspector.get_view_definition("expensive")
    assert inspector.has_table("items") and not inspector.has_table("orders")


def test_columns():
    run(
        "CREATE TABLE typed (a int NOT NULL, b bigint, c varchar(20), d numeric(10,2), e timestamptz, f boolean,"
        " g date, h int[], i uuid, j jsonb, k double precision, l text, m timestamp, n bytea, o char(3))"
    )
    columns = sa.inspect(ENGINE).get_columns("typed")
    described = [(column["name"], str(column["type"].compile(ENGINE.dialect))) for column in columns]
    assert described == [
        ("a", "INTEGER"),
        ("b", "BIGINT"),
        ("c", "VARCHAR(20)"),
        ("d", "NUMERIC(10, 2)"),
        ("e", "TIMESTAMP WITH TIME ZONE"),
        ("f", "BOOLEAN"),
        ("g", "DATE"),
        ("h", "INTEGER[]"),
        ("i", "UUID"),
        ("j", "JSONB"),
        ("k", "DOUBLE PRECISION"),
        ("l", "TEXT"),
        ("m", "TIMESTAMP WITHOUT TIME ZONE"),
        ("n", "BYTEA"),
        ("o", "CHAR(3)"),
    ], described
    assert [column["nullable"] for column in columns] == [False] + [True] * 14


def test_constraints_and_comments():
    run(
        "CREATE TABLE parents (id int PRIMARY KEY, code text UNIQUE, CHECK (id > 0))",
        "CREATE TABLE children (id int PRIMARY KEY, parent_id int REFERENCES parents (id))",
        "COMMENT ON TABLE parents IS 'who came first'",
        "COMMENT ON COLUMN parents.code IS 'short'",
    )
    inspector = sa.inspect(ENGINE)
    assert inspector.get_pk_constraint("parents")["constrained_columns"] == ["id"]
    keys = inspector.get_foreign_keys("children")
    assert [(key["constrained_columns"], key["referred_table"], key["referred_columns"]) for key in keys] == [
        (["parent_id"], "parents", ["id"])
    ], keys
    unique = inspector.get_unique_constraints("parents")
    assert [key["column_names"] for key in unique] == [["code"]], unique
    checked = inspector.get_check_constraints("parents")
    assert ["id > 0" in check["sqltext"] for check in checked] == [True], checked
    assert inspector.get_table_comment("parents")["text"] == "who came first"
    assert inspector.get_columns("parents")[1]["comment"] == "short"
    inspector.get_indexes("parents")


def test_reflect_everything():
    metadata = sa.MetaData()
    metadata.reflect(ENGINE, views=True)
    assert {"items", "expensive", "typed", "parents", "children"} <= set(metadata.tables)
    assert metadata.tables["typed"].c.d.type.scale == 2


class Base(orm.DeclarativeBase):
    pass


class Account(Base):
    __tablename__ = "accounts"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True, autoincrement=False)
    name: orm.Mapped[str] = orm.mapped_column(sa.String(30))
    balance: orm.Mapped[decimal.Decimal | None] = orm.mapped_column(sa.Numeric(10, 2))
    since: orm.Mapped[datetime.date | None]


def test_objects_are_stored_and_found():
    Base.metadata.create_all(ENGINE)
    Base.metadata.create_all(ENGINE)  # Finds the table and does nothing.
    with orm.Session(ENGINE) as session:
        session.add_all(
            [
                Account(id=1, name="ann", balance=decimal.Decimal("10.50"), since=datetime.date(2024, 1, 1)),
                Account(id=2, name="bob", balance=None, since=None),
            ]
        )
        session.commit()
        ann = session.scalars(sa.select(Account).where(Account.name == "ann")).one()
        ann.balance += 1
        session.flush()
        total = session.scalar(sa.select(sa.func.sum(Account.balance)))
        assert total == decimal.Decimal("11.50"), total
        session.rollback()
        session.delete(session.get(Account, 2))
        session.commit()
        found = session.execute(sa.select(Account.id, Account.balance)).all()
        assert found == [(1, decimal.Decimal("10.50"))], found


class Note(Base):
    __tablename__ = "notes"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    body: orm.Mapped[str] = orm.mapped_column(sa.String(30))
    stars: orm.Mapped[int] = orm.mapped_column(server_default=sa.text("3"))


def test_keys_of_new_objects_come_back():
    Base.metadata.create_all(ENGINE)
    with orm.Session(ENGINE, expire_on_commit=False) as session:
        first = Note(body="first")
        session.add(first)
        session.flush()
        assert (first.id, first.stars) == (1, 3), (first.id, first.stars)
        many = [Note(body=f"note {number}") for number in range(20)]
        session.add_all(many)
        session.commit()
        assert [note.id for note in many] == list(range(2, 22)), [note.id for note in many]
        assert many[7].stars == 3
    with ENGINE.begin() as connection:
        notes = Note.__table__
        changed = connection.execute(
            sa.update(notes).where(notes.c.id <= 2).values(stars=notes.c.stars + 1).returning(notes.c.id, notes.c.stars)
        ).all()
        assert sorted(changed) == [(1, 4), (2, 4)], changed
        gone = connection.scalars(sa.delete(notes).where(notes.c.id > 20).returning(notes.c.body)).all()
        assert gone == ["note 19"], gone
        made = connection.scalar(sa.insert(notes).values(body="late").returning(notes.c.id))
        assert made == 22, made


def test_upserts():
    from sqlalchemy.dialects.postgresql import insert

    run("CREATE TABLE counted (name text PRIMARY KEY, n int NOT NULL)")
    counted = sa.Table("counted", sa.MetaData(), autoload_with=ENGINE)
    statement = insert(counted).values(name="a", n=1)
    statement = statement.on_conflict_do_update(
        index_elements=["name"], set_={"n": counted.c.n + statement.excluded.n}
    )
    with ENGINE.begin() as connection:
        for _ in range(3):
            connection.execute(statement)
        assert connection.execute(sa.select(counted)).all() == [("a", 3)]


def test_savepoints():
    run("CREATE TABLE saved (a int)")
    with ENGINE.begin() as connection:
        connection.execute(sa.text("INSERT INTO saved VALUES (1)"))
        try:
            with connection.begin_nested():
                connection.execute(sa.text("INSERT INTO saved VALUES (2)"))
                connection.execute(sa.text("SELECT nope"))
        except sa.exc.ProgrammingError:
            pass
    with ENGINE.connect() as connection:
        assert connection.execute(sa.text("SELECT a FROM saved")).all() == [(1,)]


def test_drop():
    Base.metadata.drop_all(ENGINE)
    assert not sa.inspect(ENGINE).has_table("accounts")


if checks.IS_TARN:

    def test_train_and_predict():
        run(checks.CUSTOMERS.format(rows=600), checks.CREATE_MODEL)
        with ENGINE.connect() as connection:
            rows = connection.execute(sa.text("SELECT predict('churn', c.*) = churned FROM customers c")).scalars()
            right = sum(rows)
            assert right > 540, f"{right} of 600"
            guess = connection.scalar(
                sa.text("SELECT predict('churn', age => CAST(:age AS int), plan => CAST(:plan AS text))"),
                {"age": 30, "plan": "free"},
            )
            assert guess is True, guess


checks.run_tests(globals())
