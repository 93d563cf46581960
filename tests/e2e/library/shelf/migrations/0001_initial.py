"""The tables at first."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel("Author", [
            ("id", models.AutoField(auto_created=True, primary_key=True, serialize=False,
                                    verbose_name="ID")),
            ("name", models.CharField(max_length=40, unique=True)),
            ("born", models.CharField(max_length=10, null=True)),
        ]),
        migrations.CreateModel("Tag", [
            ("id", models.AutoField(auto_created=True, primary_key=True, serialize=False,
                                    verbose_name="ID")),
            ("word", models.SlugField(max_length=40)),
        ]),
        migrations.CreateModel("Book", [
            ("id", models.AutoField(auto_created=True, primary_key=True, serialize=False,
                                    verbose_name="ID")),
            ("title", models.CharField(max_length=200)),
            ("author", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE,
                                         related_name="books", to="shelf.author")),
            ("shop", models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL,
                                       related_name="+", to="shelf.author")),
            ("isbn", models.CharField(max_length=20, unique=True)),
            ("price", models.DecimalField(decimal_places=2, max_digits=8)),
            ("pages", models.CharField(default="1", max_length=9)),
            ("made", models.DateTimeField(auto_now_add=True)),
            ("data", models.JSONField(default=dict)),
            ("lent", models.BooleanField(default=False)),
            ("tags", models.ManyToManyField(to="shelf.Tag")),
        ], options={"unique_together": {("title", "author")}}),
        migrations.AddIndex("book", models.Index(fields=["price"], name="by_price")),
        migrations.AddConstraint("book", models.CheckConstraint(
            check=models.Q(price__gt=0), name="price_is_positive")),
    ]
