"""The forum as an application would write it with SQLAlchemy's ORM, all settings as they come: lazy
relationships, joined ones where the page needs them, a session and a transaction per request."""

import random

from sqlalchemy import (Column, DateTime, ForeignKey, Integer, String, Table, Text, create_engine,
                        func, select)
from sqlalchemy.orm import Session, declarative_base, joinedload, relationship, selectinload

from forum import (ARTICLES, CATEGORIES, COMMENTS, PAGES, TAGS, USERS, WRITES, WRITES_SHARE,
                   Popular)

Base = declarative_base()

tagged = Table("article_tags", Base.metadata,
               Column("article_id", ForeignKey("articles.id"), primary_key=True),
               Column("tag_id", ForeignKey("tags.id"), primary_key=True))


class User(Base):
    __tablename__ = "users"
    id = Column(Integer, primary_key=True)
    name = Column(String(40), unique=True, nullable=False)
    about = Column(Text)
    joined = Column(DateTime(timezone=True), server_default=func.now())
    articles = relationship("Article", back_populates="author", order_by="Article.id")


class Category(Base):
    __tablename__ = "categories"
    id = Column(Integer, primary_key=True)
    name = Column(String(40))


class Tag(Base):
    __tablename__ = "tags"
    id = Column(Integer, primary_key=True)
    name = Column(String(40))


class Article(Base):
    __tablename__ = "articles"
    id = Column(Integer, primary_key=True)
    author_id = Column(ForeignKey("users.id"), index=True, nullable=False)
    category_id = Column(ForeignKey("categories.id"), index=True, nullable=False)
    title = Column(String(200), nullable=False)
    body = Column(Text, nullable=False)
    changed = Column(DateTime(timezone=True), server_default=func.now(), onupdate=func.now())
    author = relationship("User", back_populates="articles")
    category = relationship("Category")
    comments = relationship("Comment", order_by="Comment.id")
    tags = relationship("Tag", secondary=tagged, order_by="Tag.id")


class Comment(Base):
    __tablename__ = "comments"
    id = Column(Integer, primary_key=True)
    article_id = Column(ForeignKey("articles.id"), index=True, nullable=False)
    author_id = Column(ForeignKey("users.id"), nullable=False)
    body = Column(Text, nullable=False)
    author = relationship("User")


def fill(engine):
    Base.metadata.create_all(engine)
    rng = random.Random(1)
    with Session(engine) as db:
        db.add_all(User(name=f"user{i}", about="about " * 20) for i in range(1, USERS + 1))
        db.add_all(Category(name=f"category {i}") for i in range(1, CATEGORIES + 1))
        db.add_all(Tag(name=f"tag {i}") for i in range(1, TAGS + 1))
        db.flush()
        tags = db.execute(select(Tag)).scalars().all()
        db.add_all(Article(author_id=rng.randint(1, USERS), title=f"title {i}", body="body " * 100,
                           category_id=rng.randint(1, CATEGORIES), tags=rng.sample(tags, 3))
                   for i in range(1, ARTICLES + 1))
        db.flush()
        db.add_all(Comment(article_id=rng.randint(1, ARTICLES), author_id=rng.randint(1, USERS),
                           body="comment " * 10) for _ in range(COMMENTS))
        db.commit()


class Visitors:
    """Requests, one after the other; `writes` of them wrote."""

    def __init__(self, url, seed):
        self.engine = create_engine(url)
        self.rng = random.Random(seed)
        self.article, self.user = Popular(self.rng, ARTICLES), Popular(self.rng, USERS)
        self.category = Popular(self.rng, CATEGORIES)
        self.requests = self.writes = 0

    def request(self):
        self.requests += 1
        if self.rng.random() < WRITES_SHARE:
            self.write(self.rng.choices(*WRITES)[0])
        else:
            self.page(self.rng.choices(*PAGES)[0])

    def write(self, name):
        self.writes += 1
        with Session(self.engine) as db:
            getattr(self, name)(db)
            db.commit()

    def article_page(self, db):
        article = db.get(Article, self.article.next(), options=[joinedload(Article.author)])
        return (article.title, article.author.name, article.category.name,
                [(c.body, c.author.name) for c in article.comments], [t.name for t in article.tags])

    def user_page(self, db):
        user = db.get(User, self.user.next())
        return user.name, [a.title for a in user.articles]

    def category_page(self, db):
        number = self.category.next()
        listed = select(Article).where(Article.category_id == number).order_by(
            Article.id.desc()).limit(20).options(selectinload(Article.tags))
        return db.get(Category, number).name, [
            (a.title, [t.name for t in a.tags]) for a in db.execute(listed).scalars()]

    def front_page(self, db):
        newest = select(Article).order_by(Article.id.desc()).limit(10)
        return ([a.title for a in db.execute(newest).scalars()],
                [c.name for c in db.execute(select(Category)).scalars()])

    def page(self, name):
        with Session(self.engine) as db:
            return getattr(self, name)(db)

    def comment(self, db):
        article, user = db.get(Article, self.article.next()), db.get(User, self.user.next())
        db.add(Comment(article_id=article.id, author_id=user.id, body="new " * 10))

    def edit(self, db):
        article = db.get(Article, self.article.next())
        article.body = f"edited {self.requests} " * 20

    def profile(self, db):
        db.get(User, self.user.next()).about = f"changed {self.requests}"

    def publish(self, db):
        db.add(Article(author_id=self.user.next(), category_id=self.category.next(),
                       title=f"new {self.requests}", body="body " * 100,
                       tags=[db.get(Tag, self.rng.randint(1, TAGS))]))

    def close(self):
        self.engine.dispose()
