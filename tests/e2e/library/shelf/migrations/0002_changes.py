"""Fields and constraints added, changed, renamed and removed."""

import django.db.models.deletion
from django.db import migrations, models


def turn_round(apps, schema_editor):
    Book = apps.get_model("shelf", "Book")
    for book in Book.objects.all():
        book.note = f"note {book.pk}"
        book.save()


class Migration(migrations.Migration):
    dependencies = [("shelf", "0001_initial")]
    operations = [
        migrations.AddField("book", "note", models.CharField(max_length=30, null=True)),
        migrations.RunPython(turn_round, migrations.RunPython.noop),
        migrations.AlterField("book", "note", models.CharField(max_length=30, null=True,
                                                               unique=True)),
        migrations.AddField("book", "editor", models.ForeignKey(
            null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="edited",
            to="shelf.author")),
        migrations.AlterUniqueTogether("book", set()),
        migrations.RenameField("book", "title", "heading"),
        migrations.AddConstraint("book", models.UniqueConstraint(
            fields=("heading", "author"), name="one_heading")),
        migrations.AlterField("book", "isbn", models.CharField(max_length=20)),
        migrations.RemoveField("book", "isbn"),
        migrations.RemoveField("book", "shop"),
        migrations.AlterField("book", "pages", models.IntegerField(null=True)),
        migrations.AlterField("author", "name", models.CharField(max_length=80, unique=True)),
        migrations.AlterField("author", "born", models.DateField(null=True)),
        migrations.RemoveIndex("book", "by_price"),
        migrations.AddIndex("book", models.Index(fields=["pages"], name="by_pages")),
        migrations.RemoveConstraint("book", "price_is_positive"),
        migrations.AddConstraint("book", models.CheckConstraint(
            check=models.Q(price__gte=0), name="price_is_positive")),
    ]
