"""SQLAlchemy's PostgreSQL dialect on the embedded database: create, reflect, an ORM session."""

import pytest
import sqlalchemy as sa
from sqlalchemy import orm

Base = orm.declarative_base()


class User(Base):
    __tablename__ = "users"
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(30), nullable=False, unique=True)
    born = sa.Column(sa.DateTime(timezone=True), server_default=sa.func.now())
    active = sa.Column(sa.Boolean, default=True)
    posts = orm.relationship("Post", back_populates="user")


class Post(Base):
    __tablename__ = "posts"
    id = sa.Column(sa.Integer, primary_key=True)
    user_id = sa.Column(sa.ForeignKey("users.id"), index=True)
    title = sa.Column(sa.Text)
    price = sa.Column(sa.Numeric(10, 2))
    data = sa.Column(sa.JSON)
    user = orm.relationship("User", back_populates="posts")


@pytest.fixture
def engine(sqlite):
    host, port = sqlite.weir.address
    engine = sa.create_engine(f"postgresql+psycopg2://weir@{host}:{port}/app")
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


def test_what_was_created_is_reflected(engine):
    found = sa.inspect(engine)
    assert sorted(found.get_table_names()) == ["posts", "users"]
    columns = {c["name"]: c for c in found.get_columns("users")}
    assert isinstance(columns["name"]["type"], sa.VARCHAR) and columns["name"]["type"].length == 30
    assert columns["born"]["type"].timezone and not columns["name"]["nullable"]
    assert found.get_pk_constraint("posts")["constrained_columns"] == ["id"]
    (key,) = found.get_foreign_keys("posts")
    assert (key["constrained_columns"], key["referred_table"]) == (["user_id"], "users")
    assert [i["column_names"] for i in found.get_indexes("posts")] == [["user_id"]]
    assert [u["column_names"] for u in found.get_unique_constraints("users")] == [["name"]]
    assert found.has_table("posts") and not found.has_table("nothing")
    metadata = sa.MetaData()
    metadata.reflect(engine)
    assert set(metadata.tables) == {"posts", "users"}


def test_a_session(engine):
    with orm.Session(engine) as s:
        user = User(name="ann", posts=[Post(title="one", price=1.5, data={"a": [1]}),
                                       Post(title="two")])
        s.add(user)
        s.commit()
        assert (user.id, user.active, user.born.tzinfo is not None) == (1, True, True)
        s.add_all([User(name=f"u{n}") for n in range(5)])
        s.commit()
        names = sa.select(User.name).where(User.name.ilike("U%")).order_by(User.name.desc())
        assert s.scalars(names.limit(2)).all() == ["u4", "u3"]
        counts = sa.select(User.name, sa.func.count(Post.id)).join(Post).group_by(User.name)
        assert s.execute(counts).all() == [("ann", 2)]
        post = s.scalars(sa.select(Post).where(Post.title == "one")).one()
        assert (float(post.price), post.data, post.user.name) == (1.5, {"a": [1]}, "ann")
        post.title = "uno"
        s.commit()
        s.delete(post)
        s.commit()
        assert s.scalar(sa.select(sa.func.count()).select_from(Post)) == 1


def test_a_broken_constraint_is_an_integrity_error(engine):
    with orm.Session(engine) as s:
        s.add(User(name="ann"))
        s.commit()
        s.add(User(name="ann"))
        with pytest.raises(sa.exc.IntegrityError) as failed:
            s.commit()
        assert failed.value.orig.pgcode == "23505"
        s.rollback()
        with s.begin_nested():
            s.add(User(name="bob"))
        s.commit()
        assert s.scalars(sa.select(User.name).order_by(User.id)).all() == ["ann", "bob"]


def test_tables_are_dropped(engine):
    Base.metadata.drop_all(engine)
    assert sa.inspect(engine).get_table_names() == []
