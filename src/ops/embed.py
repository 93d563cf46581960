"""Writes a file as a C array: embed.py FILE NAME OUTPUT (run by Meson for the web page)."""
import sys


def main():
    source, name, output = sys.argv[1:]
    with open(source, "rb") as f:
        data = f.read()
    lines = [", ".join(str(b) for b in data[i:i + 20]) for i in range(0, len(data), 20)]
    with open(output, "w", encoding="ascii") as f:
        f.write('#include "ops/page.h"\n')
        f.write("const unsigned char %s[] = {\n%s};\n" % (name, ",\n".join(lines)))
        f.write("const size_t %s_size = %d;\n" % (name, len(data)))


main()
