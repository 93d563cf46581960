"""What an application's own tests do; run by `manage.py test`, not by pytest."""

import datetime
import decimal
import zoneinfo

from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.db.models import Avg, Count, F, Max, OuterRef, Q, Subquery, Sum, Value
from django.db.models.functions import (
    Coalesce, ExtractHour, ExtractWeekDay, Lower, TruncDate, TruncHour, TruncMonth, Upper)
from django.test import TestCase, TransactionTestCase
from django.utils import timezone

from library.shelf.models import Author, Book, Tag


def fill():
    authors = [Author.objects.create(name=n) for n in ("ann", "bob", "Cid")]
    tags = Tag.objects.bulk_create([Tag(word=w) for w in ("old", "new", "rare")])
    books = Book.objects.bulk_create([
        Book(heading=f"book {i}", author=authors[i % 3], price=decimal.Decimal(i) + 1, pages=10 * i,
             data={"shelf": i, "words": ["a", "b"]}, lent=i % 4 == 0) for i in range(12)])
    for i, book in enumerate(books):
        book.tags.set(tags[:i % 4])
    return authors, books


class Queries(TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.authors, cls.books = fill()

    def test_rows_come_back_as_they_were_saved(self):
        book = Book.objects.get(heading="book 5")
        self.assertEqual((book.price, book.pages, book.lent), (decimal.Decimal("6.00"), 50, False))
        self.assertEqual(book.data, {"shelf": 5, "words": ["a", "b"]})
        self.assertLess(abs(timezone.now() - book.made), datetime.timedelta(minutes=5))

    def test_filters_order_and_pages(self):
        wanted = Book.objects.filter(Q(price__gt=3) & ~Q(lent=True), author__name__icontains="B")
        self.assertEqual([b.heading for b in wanted.order_by("-price")[:2]], ["book 10", "book 7"])
        self.assertEqual(Book.objects.filter(heading__startswith="book 1").count(), 3)
        self.assertEqual(Book.objects.filter(heading__iregex="^BOOK [12]$").count(), 2)
        self.assertEqual(Book.objects.filter(pages__in=[10, 20, 999]).count(), 2)
        self.assertEqual(Book.objects.filter(pages__range=(10, 30)).exclude(pages=20).count(), 2)
        self.assertEqual(Book.objects.filter(data__shelf=7).get().heading, "book 7")
        self.assertTrue(Book.objects.filter(made__year=timezone.now().year).exists())

    def test_moments_are_cut_by_the_clocks_of_a_zone(self):
        noon = datetime.datetime(2026, 3, 1, 2, 30, tzinfo=datetime.timezone.utc)
        Book.objects.filter(heading="book 1").update(made=noon)
        new_york, book = zoneinfo.ZoneInfo("America/New_York"), Book.objects.filter(made=noon)
        with timezone.override(new_york):
            cut = book.values_list(TruncMonth("made"), TruncDate("made"), TruncHour("made"),
                                   ExtractHour("made"), ExtractWeekDay("made")).get()
        self.assertEqual(cut, (
            datetime.datetime(2026, 2, 1, tzinfo=new_york), datetime.date(2026, 2, 28),
            datetime.datetime(2026, 2, 28, 21, tzinfo=new_york), 21, 7))
        self.assertEqual(list(book.datetimes("made", "day")), [
            datetime.datetime(2026, 3, 1, tzinfo=datetime.timezone.utc)])
        self.assertEqual(list(book.dates("made", "year")), [datetime.date(2026, 1, 1)])

    def test_relations(self):
        with self.assertNumQueries(1):
            names = [b.author.name for b in Book.objects.select_related("author", "editor")]
        self.assertEqual(len(names), 12)
        with self.assertNumQueries(2):
            books = Book.objects.prefetch_related("tags").order_by("id")
            tagged = [len(b.tags.all()) for b in books]
        self.assertEqual(tagged, [0, 1, 2, 3] * 3)
        self.assertEqual(Tag.objects.filter(book__author__name="ann").distinct().count(), 3)

    def test_aggregates(self):
        totals = Book.objects.aggregate(Sum("pages"), Max("price"), n=Count("id"), a=Avg("pages"))
        self.assertEqual((totals["pages__sum"], totals["price__max"], totals["n"], totals["a"]),
                         (660, decimal.Decimal(12), 12, 55))
        rows = Author.objects.annotate(n=Count("books"), lent=Count("books", Q(books__lent=True)))
        self.assertEqual([(a.name, a.n, a.lent) for a in rows.order_by("id")],
                         [("ann", 4, 1), ("bob", 4, 1), ("Cid", 4, 1)])
        newest = Book.objects.filter(author=OuterRef("pk")).order_by("-pages")
        found = Author.objects.annotate(top=Subquery(newest.values("heading")[:1]))
        self.assertEqual([a.top for a in found.order_by("id")], ["book 9", "book 10", "book 11"])
        self.assertEqual(list(Author.objects.annotate(u=Upper("name"), l=Lower("name")).order_by(
            "id").values_list("u", "l")), [("ANN", "ann"), ("BOB", "bob"), ("CID", "cid")])
        none = Book.objects.annotate(e=Coalesce("editor__name", Value("nobody"))).first()
        self.assertEqual(none.e, "nobody")

    def test_changes(self):
        Book.objects.filter(lent=True).update(price=F("price") * 2, pages=F("pages") + 1)
        self.assertEqual(Book.objects.get(heading="book 8").price, decimal.Decimal(18))
        author, made = Author.objects.get_or_create(name="dan", defaults={"born": "1999-09-09"})
        self.assertTrue(made)
        author, made = Author.objects.update_or_create(name="dan", defaults={"born": None})
        self.assertEqual((author.born, made), (None, False))
        for book in self.books:
            book.pages = 7
        Book.objects.bulk_update(self.books, ["pages"])
        self.assertEqual(Book.objects.filter(pages=7).count(), 12)
        self.assertEqual(self.authors[0].delete()[0], 11)
        Author.objects.bulk_create([Author(name="bob"), Author(name="eve")], ignore_conflicts=True)
        self.assertEqual(Author.objects.count(), 4)

    def test_savepoints(self):
        with self.assertRaises(IntegrityError), transaction.atomic():
            Author.objects.create(name="ann")
        with transaction.atomic():
            Author.objects.create(name="fay")
        self.assertTrue(Author.objects.filter(name="fay").exists())
        with self.assertRaises(IntegrityError), transaction.atomic():
            Book.objects.create(heading="x", author=self.authors[0], price=-1)

    def test_large_results_come_in_portions(self):
        self.assertEqual(sum(b.pages for b in Book.objects.iterator(chunk_size=5)), 660)

    def test_raw_sql(self):
        with connection.cursor() as cursor:
            cursor.execute("SELECT name FROM shelf_author WHERE id = ANY(%s) ORDER BY id",
                           [[a.id for a in self.authors[:2]]])
            self.assertEqual(cursor.fetchall(), [("ann",), ("bob",)])


class Admin(TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.authors, cls.books = fill()
        cls.user = User.objects.create_superuser("root", password="secret")

    def setUp(self):
        self.assertTrue(self.client.login(username="root", password="secret"))

    def get(self, path):
        answer = self.client.get("/admin/" + path)
        self.assertEqual(answer.status_code, 200)
        return answer.content.decode()

    def test_a_list(self):
        self.assertIn("12 books", self.get("shelf/book/?p=2"))
        self.assertIn("4 results", self.get("shelf/book/?q=book+ann"))
        self.assertIn("book 8", self.get("shelf/book/?lent__exact=1&o=1.-3"))
        self.assertIn("12 books", self.get(f"shelf/book/?made__year={timezone.now().year}"))

    def test_a_change_and_a_deletion(self):
        self.assertIn("ann", self.get(f"shelf/author/{self.authors[0].pk}/change/"))
        done = self.client.post("/admin/shelf/author/add/", {"name": "new", "born": "2001-02-03"})
        self.assertEqual(done.status_code, 302)
        self.assertEqual(Author.objects.get(name="new").born, datetime.date(2001, 2, 3))
        done = self.client.post(f"/admin/shelf/author/{self.authors[1].pk}/delete/",
                                {"post": "yes"})
        self.assertEqual(done.status_code, 302)
        self.assertEqual(Book.objects.count(), 8)
        self.assertIn("added", self.get("").lower())


class Transactions(TransactionTestCase):
    def test_what_is_committed_stays_until_the_flush(self):
        fill()
        with self.assertRaises(ZeroDivisionError), transaction.atomic():
            Book.objects.all().delete()
            self.assertEqual(Book.objects.count(), 0)
            1 / 0
        self.assertEqual(Book.objects.count(), 12)
        with transaction.atomic():
            locked = Book.objects.select_for_update().get(heading="book 1")
            locked.lent = True
            locked.save()
        self.assertTrue(Book.objects.get(heading="book 1").lent)

    def test_it_begins_empty(self):
        self.assertEqual((Author.objects.count(), Tag.objects.count()), (0, 0))
