# Reads a uv.toml: uv_settings.py FILE PIP_WHEEL.  Prints the index settings
# in it as one JSON document, or ends with status 3 and a line that says why.
# Runs with the person's own rights: the file is their own, and only data.
import json
import os
import sys


def fail(text):
    print(text, file=sys.stderr)
    sys.exit(3)


def toml(pip_wheel):
    try:
        import tomllib

        return tomllib
    except ImportError:
        sys.path.insert(0, pip_wheel)
        from pip._vendor import tomli

        return tomli


def strings(data, key):
    value = data.get(key, [])
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        fail("%s must be an array of strings" % key)
    return value


def place(text, folder):
    """A URL as it is; a path relative to the file that names it."""
    return text if "://" in text else os.path.join(folder, text)


def settings(data, folder):
    default = data.get("index-url")
    extra = []
    links = [place(v, folder) for v in strings(data, "find-links")]
    indexes = data.get("index", [])
    if not isinstance(indexes, list):
        fail("index must be an array of tables")
    for index in indexes:
        if not isinstance(index, dict) or not isinstance(index.get("url"), str):
            fail("each [[index]] needs a url")
        if index.get("explicit"):
            continue  # only for packages that are pinned to it
        url = place(index["url"], folder)
        if index.get("format") == "flat":
            links.append(url)
        elif index.get("default"):
            default = url
        else:
            extra.append(url)
    extra += [place(v, folder) for v in strings(data, "extra-index-url")]
    if default is not None and not isinstance(default, str):
        fail("index-url must be a string")
    return {
        "index_url": place(default, folder) if default else None,
        "extra_index_urls": extra,
        "find_links": links,
        "no_index": data.get("no-index") is True,
    }


def main(argv):
    with open(argv[1], "rb") as source:
        text = source.read()
    try:
        data = toml(argv[2]).loads(text.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        fail(str(error))
    folder = os.path.dirname(os.path.abspath(argv[1]))
    json.dump(settings(data, folder), sys.stdout)


if __name__ == "__main__":
    main(sys.argv)
