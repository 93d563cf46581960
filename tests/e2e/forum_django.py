"""The forum (forum.py) as an application would write it with Django's ORM: its connections commit
each statement by themselves, as is its default, and what saves several rows is a transaction.

Django is set up once for a process; `open_forum` names the databases."""

import random

import django
from django.conf import settings

settings.configure(DATABASES={}, INSTALLED_APPS=["forum_django"], USE_TZ=True, TIME_ZONE="UTC",
                   DEFAULT_AUTO_FIELD="django.db.models.AutoField", LOGGING_CONFIG=None)
django.setup()

from django.db import connections, models, transaction  # noqa: E402  (they need the settings)

from forum import ARTICLES, CATEGORIES, COMMENTS, TAGS, USERS, Popular  # noqa: E402
from forum import PAGES, WRITES, WRITES_SHARE  # noqa: E402


class Model(models.Model):
    class Meta:
        abstract = True
        app_label = "forum_django"


class User(Model):
    name = models.CharField(max_length=40, unique=True)
    about = models.TextField()
    joined = models.DateTimeField(auto_now_add=True)


class Category(Model):
    name = models.CharField(max_length=40)


class Tag(Model):
    name = models.CharField(max_length=40)


class Article(Model):
    author = models.ForeignKey(User, models.CASCADE)
    category = models.ForeignKey(Category, models.CASCADE)
    title = models.CharField(max_length=200)
    body = models.TextField()
    changed = models.DateTimeField(auto_now=True)
    tags = models.ManyToManyField(Tag)


class Comment(Model):
    article = models.ForeignKey(Article, models.CASCADE, related_name="comments")
    author = models.ForeignKey(User, models.CASCADE)
    body = models.TextField()


def open_forum(name, port, dbname, user):
    """A connection by this name."""
    connections.databases[name] = {
        "ENGINE": "django.db.backends.postgresql", "HOST": "127.0.0.1", "PORT": port,
        "NAME": dbname, "USER": user}
    connections.ensure_defaults(name)
    connections.prepare_test_settings(name)


def fill(name):
    rng = random.Random(1)
    with connections[name].schema_editor() as editor:
        for model in (User, Category, Tag, Article, Comment):
            editor.create_model(model)

    def make(model, rows):
        return model.objects.using(name).bulk_create([model(**r) for r in rows])

    make(User, ({"name": f"user{i}", "about": "about " * 20} for i in range(USERS)))
    make(Category, ({"name": f"category {i}"} for i in range(CATEGORIES)))
    make(Tag, ({"name": f"tag {i}"} for i in range(TAGS)))
    make(Article, ({"author_id": rng.randint(1, USERS), "title": f"title {i}", "body": "body " * 99,
                    "category_id": rng.randint(1, CATEGORIES)} for i in range(ARTICLES)))
    make(Article.tags.through, ({"article_id": i, "tag_id": t} for i in range(1, ARTICLES + 1)
                                for t in rng.sample(range(1, TAGS + 1), 3)))
    make(Comment, ({"article_id": rng.randint(1, ARTICLES), "author_id": rng.randint(1, USERS),
                    "body": "comment " * 10} for _ in range(COMMENTS)))


class Visitors:
    """Requests, one after the other; `writes` of them wrote."""

    def __init__(self, name, seed):
        self.name = name
        self.rng = random.Random(seed)
        self.article, self.user = Popular(self.rng, ARTICLES), Popular(self.rng, USERS)
        self.category = Popular(self.rng, CATEGORIES)
        self.requests = self.writes = 0

    def of(self, model):
        return model.objects.using(self.name)

    def request(self):
        self.requests += 1
        if self.rng.random() < WRITES_SHARE:
            self.write(self.rng.choices(*WRITES)[0])
        else:
            self.page(self.rng.choices(*PAGES)[0])

    def write(self, name):
        self.writes += 1
        getattr(self, name)()

    def article_page(self):
        article = self.of(Article).select_related("author").get(pk=self.article.next())
        return (article.title, article.author.name, article.category.name,
                [(c.body, c.author.name) for c in
                 article.comments.select_related("author").order_by("id")],
                [t.name for t in article.tags.order_by("id")])

    def user_page(self):
        user = self.of(User).get(pk=self.user.next())
        return user.name, [a.title for a in user.article_set.order_by("id")]

    def category_page(self):
        category = self.of(Category).get(pk=self.category.next())
        listed = category.article_set.order_by("-id").prefetch_related("tags")[:20]
        return category.name, [(a.title, sorted(t.name for t in a.tags.all())) for a in listed]

    def front_page(self):
        return ([a.title for a in self.of(Article).order_by("-id")[:10]],
                [c.name for c in self.of(Category).order_by("id")])

    def page(self, name):
        return getattr(self, name)()

    def comment(self):
        article = self.of(Article).get(pk=self.article.next())
        author = self.of(User).get(pk=self.user.next())
        self.of(Comment).create(article=article, author=author, body="new " * 10)

    def edit(self):
        article = self.of(Article).get(pk=self.article.next())
        article.body = f"edited {self.requests} " * 20
        article.save()

    def profile(self):
        self.of(User).filter(pk=self.user.next()).update(about=f"changed {self.requests}")

    def publish(self):
        with transaction.atomic(using=self.name):
            article = self.of(Article).create(
                author_id=self.user.next(), category_id=self.category.next(),
                title=f"new {self.requests}", body="body " * 99)
            article.tags.add(self.rng.randint(1, TAGS))

    def close(self):
        connections[self.name].close()
