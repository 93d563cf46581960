"""A forum of which ORMs are asked (forum_sqlalchemy.py, forum_django.py): its size, what visitors
want, how much of it they write. Few things are popular."""

import bisect
import itertools

USERS, ARTICLES, COMMENTS, TAGS, CATEGORIES = 100, 100, 500, 25, 12
WRITES_SHARE = 0.05
PAGES = ["article_page", "user_page", "category_page", "front_page"], [55, 25, 15, 5]
WRITES = ["comment", "edit", "profile", "publish"], [60, 20, 15, 5]


class Popular:
    """1 to n, the k-th wanted in proportion to 1/k."""

    def __init__(self, rng, n):
        self.rng = rng
        self.sums = list(itertools.accumulate(1 / k for k in range(1, n + 1)))

    def next(self):
        return bisect.bisect(self.sums, self.rng.random() * self.sums[-1]) + 1
