"""Books, their authors and tags: the common kinds of fields and constraints."""

from django.db import models


class Author(models.Model):
    name = models.CharField(max_length=80, unique=True)
    born = models.DateField(null=True)

    def __str__(self):
        return self.name


class Tag(models.Model):
    word = models.SlugField(max_length=40)


class Book(models.Model):
    heading = models.CharField(max_length=200)
    author = models.ForeignKey(Author, models.CASCADE, related_name="books")
    editor = models.ForeignKey(Author, models.SET_NULL, null=True, related_name="edited")
    tags = models.ManyToManyField(Tag)
    price = models.DecimalField(max_digits=8, decimal_places=2)
    pages = models.IntegerField(null=True)
    made = models.DateTimeField(auto_now_add=True)
    data = models.JSONField(default=dict)
    lent = models.BooleanField(default=False)
    note = models.CharField(max_length=30, unique=True, null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["heading", "author"], name="one_heading"),
            models.CheckConstraint(check=models.Q(price__gte=0), name="price_is_positive"),
        ]
        indexes = [models.Index(fields=["pages"], name="by_pages")]
