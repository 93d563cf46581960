"""The admin's pages: lists with filters, search, order and pages."""

from django.contrib import admin

from library.shelf.models import Author, Book


@admin.register(Book)
class BookAdmin(admin.ModelAdmin):
    list_display = ["heading", "author", "price", "lent"]
    list_filter = ["lent", "author", "made"]
    list_select_related = ["author"]
    list_per_page = 5
    date_hierarchy = "made"
    search_fields = ["heading", "author__name"]
    ordering = ["-price"]


admin.site.register(Author)
