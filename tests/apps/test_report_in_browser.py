"""The page of `tfviz report` in a real browser: what it draws and reads out, by mouse, by keyboard and on a phone."""

from __future__ import annotations

import base64
import csv
import json
import re
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from support import browser
from support.commands import picture_of
from support.model_zoo import SIZE, model_of

import tfviz
from tfviz import demo
from tfviz.__main__ import main
from tfviz.methods.engine import SIGNS
from tfviz.results import collapse, heatmap, normalise, tiles

pytestmark = [
    pytest.mark.usefixtures("shared_networks"),
    pytest.mark.xdist_group("tfviz report"),
    pytest.mark.skipif(bool(browser.why_not()), reason=f"not installed: {browser.why_not()}"),
]
GROUP = "<img src=x onerror=document.title='hit'>{{7*7}}"
HOSTILE = "<img src=x onerror=document.title='hit'>.png"
CLASSES = [
    "</script><script>document.title='hit'</script>" if each == "blue checked star" else each
    for each in demo.CLASS_NAMES
]
METHODS = ["saliency", "grad_cam", "integrated_gradients"]
STEPS = 16
LEAN = ["--no-compare"]
SIDE = 128


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The page of two pictures, and what it is about."""
    folder = tmp_path_factory.mktemp("report")
    paths = [folder / HOSTILE, folder / "second.png"]
    for path, sample in zip(paths, demo.sample_paths(), strict=False):
        path.write_bytes(sample.read_bytes())
    (folder / "names.json").write_text(json.dumps(CLASSES))
    named = ["--model", "demo", "--labels", folder / "names.json", "--steps", STEPS, "--no-upsample"]
    methods = [word for name in METHODS for word in ("--method", name)]
    with pytest.raises(SystemExit) as ended:
        main([str(each) for each in ("report", *paths, *named, *methods, *LEAN, "--output", folder / "page.html")])
    assert not ended.value.code
    pictures = np.stack([*map(picture_of, paths)])
    # The maps of Grad-CAM are small: the page enlarges them.
    options = {"integrated_gradients": {"steps": STEPS}, "grad_cam": {"upsample": False}}
    with pytest.warns(tfviz.TfvizWarning, match="misses completeness"):
        found = tfviz.explain(demo.load_network(), pictures, methods=METHODS, top=3, options=options)
    return SimpleNamespace(url=(folder / "page.html").as_uri(), pictures=pictures, found=found)


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    with browser.chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture
def page(driver, made):
    """The page just opened, wide and light; in the end nothing may have gone wrong in it, and nothing been obeyed."""
    yield opened(driver, made.url, SIDE)
    assert driver.get_log("browser") == [] and driver.title == "What demo looks at"


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """The URL of a page with everything that is measured, of twelve small pictures in groups of hostile names."""
    folder = tmp_path_factory.mktemp("measured")
    model_of("functional").save(folder / "own.keras")
    paths = [folder / f"{number}.png" for number in range(12)]
    for path, image in zip(
        paths, np.random.default_rng(0).integers(0, 256, (12, SIZE, SIZE, 3), np.uint8), strict=True
    ):
        cv2.imwrite(str(path), image)
    groups = [GROUP if number < 6 else "a group of a long name, that has no end " * 3 for number in range(11)]
    with (folder / "about.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["file", GROUP], *zip([path.name for path in paths], groups, strict=False)])
    given = ["--model", folder / "own.keras", "--preprocess", "0..1", "--metadata", folder / "about.csv", "--by", GROUP]
    given += ["--top", 2]
    methods = ["--method", "saliency", "--method", "grad_cam"]
    with pytest.raises(SystemExit) as ended:
        main([str(each) for each in ("report", *paths, *given, *methods, "--output", folder / "page.html")])
    assert not ended.value.code
    return (folder / "page.html").as_uri()


@pytest.fixture
def measured_page(driver, measured):
    """That page, as `page` opens the other."""
    yield opened(driver, measured, SIZE)
    assert driver.get_log("browser") == [] and driver.title == "What own looks at"


def opened(driver, url, side):
    """The browser when it has drawn the first map of a page."""
    driver.get_log("browser")
    browser.look(driver)
    driver.get(url)
    until(
        driver, f"document.querySelector('canvas.map').width === {side} && document.querySelector('.low').textContent"
    )
    return driver


def until(driver, condition):
    script = f"""const done = arguments[0];
    const look = () => {{ try {{ if ({condition}) return done(true); }} catch {{}} setTimeout(look, 20); }}; look();"""
    driver.set_script_timeout(20)
    driver.execute_async_script(script)


def find(page, selector):
    return page.find_element("css selector", selector)


def pixels(page, selector="canvas.map"):
    """What a canvas shows, uint8 RGB."""
    browser.settled(page)
    url = page.execute_script("return document.querySelector(arguments[0]).toDataURL()", selector)
    content = np.frombuffer(base64.b64decode(url.partition(",")[2]), np.uint8)
    return cv2.imdecode(content, cv2.IMREAD_COLOR)[..., ::-1]


def choose(page, kind, number):
    """Choose a class or a method of the first picture, as with the mouse."""
    page.find_elements("css selector", f"article.picture .{kind} label")[number].click()


def slide(page, value):
    page.execute_script(
        "const slider = document.getElementById('opacity'); slider.value = arguments[0];"
        "slider.dispatchEvent(new Event('input', { bubbles: true }))",
        value,
    )


def read(page):
    """What is read out of the first map: row, column, value and how far it may be from the truth."""
    words = find(page, ".reading").text
    row, column, value, error = re.fullmatch(r"row (\d+), column (\d+): (\S+) ± (\S+)", words).groups()
    return int(row), int(column), float(value), float(error)


def press(page, *keys, held=None):
    """Press keys one after the other, another being held down."""
    from selenium.webdriver.common.action_chains import ActionChains

    chain = ActionChains(page)
    chain = chain.key_down(held) if held else chain
    chain = chain.send_keys(*keys)
    (chain.key_up(held) if held else chain).perform()


def test_the_canvas_shows_what_commands_draw(page, made):
    """Halfway of the slider: a map without sign over the picture, one with sign over pale grey."""
    found = made.found.select([0])
    for number, name in enumerate(METHODS):
        choose(page, "methods", number)
        drawn = tiles(made.pictures[:1], found.shown()[name], clip_percentile=99, signed=found.signed[name])[0]
        difference = np.abs(pixels(page).astype(int) - drawn)
        assert difference.mean() < 1 and (difference > 6).mean() < 0.01, name
        assert f"{name}" in find(page, ".about .title").text


def test_the_slider_goes_from_the_picture_to_the_map(page, made):
    half = pixels(page)
    slide(page, 0)
    np.testing.assert_array_equal(pixels(page), made.pictures[0])
    slide(page, 100)
    scaled = normalise(made.found.maps["saliency"][:1], clip_percentile=99)
    difference = np.abs(pixels(page).astype(int) - heatmap(scaled)[0])
    assert difference.mean() < 1 and find(page, "#opacity-value").text == "100 %"
    assert np.abs(half.astype(int) - made.pictures[0]).mean() > 5
    choose(page, "methods", 2)
    slide(page, 0)
    np.testing.assert_array_equal(pixels(page), made.pictures[0])
    slide(page, 100)
    strongest = pixels(page).astype(int)
    assert strongest[0, 0].min() > 240 or np.ptp(strongest[0, 0]) > 0  # white where nothing speaks


def test_another_colour_map_class_and_picture(page, made):
    slide(page, 100)
    scaled = normalise(made.found.maps["saliency"][:2], clip_percentile=99)
    page.execute_script(
        "const list = document.getElementById('colormap'); list.value = 'viridis';"
        "list.dispatchEvent(new Event('change', { bubbles: true }))"
    )
    first = pixels(page)
    assert np.abs(first.astype(int) - heatmap(scaled, "viridis")[0]).mean() < 1
    small = pixels(page, "canvas.thumb")
    choose(page, "targets", 1)
    assert np.abs(pixels(page).astype(int) - heatmap(scaled, "viridis")[1]).mean() < 1
    assert (pixels(page, "canvas.thumb") != small).any()
    title = find(page, ".about .title").text
    assert title == f"saliency, for {CLASSES[made.found.targets[1]]}"
    page.execute_script("document.querySelectorAll('article.picture')[1].scrollIntoView()")
    until(page, "document.querySelectorAll('canvas.map')[1].width === 128")


def test_a_value_under_the_mouse(page, made):
    from selenium.webdriver.common.action_chains import ActionChains

    exact = {name: made.found.maps[name][0] for name in METHODS}
    exact["integrated_gradients"] = collapse(exact["integrated_gradients"], "sum")
    canvas = find(page, "canvas.map")
    page.execute_script("arguments[0].scrollIntoView({ block: 'center' })", canvas)
    box = page.execute_script(
        "const box = arguments[0].getBoundingClientRect(); return [box.width, box.height]", canvas
    )
    for number, name in enumerate(METHODS):
        choose(page, "methods", number)
        page.execute_script("arguments[0].scrollIntoView({ block: 'center' })", canvas)
        for right, down in ((0, 0), (-box[0] // 4, box[1] // 5), (box[0] // 3, -box[1] // 3)):
            ActionChains(page, duration=0).move_to_element_with_offset(canvas, right, down).perform()
            row, column, value, error = read(page)
            height, width = exact[name].shape
            assert abs(row + 0.5 - height * (0.5 + down / box[1])) < 1.5
            assert abs(column + 0.5 - width * (0.5 + right / box[0])) < 1.5
            assert abs(value - exact[name][row, column]) <= error + 1e-4 * np.abs(exact[name]).max()
            assert error <= 0.009 * np.abs(exact[name]).max()
    ActionChains(page, duration=0).move_to_element(find(page, "h1")).perform()
    assert find(page, ".reading").text == "point at the map to read a value"


def test_notes_and_diagnostics_are_those_of_the_chosen_map(page, made):
    gaps = made.found.diagnostics["integrated_gradients"]["completeness_gap"]
    assert not find(page, ".about .notes").is_displayed() and not find(page, ".about .diagnostics").is_displayed()
    choose(page, "methods", 2)
    for target in range(3):
        choose(page, "targets", target)
        name, gap = find(page, ".about .diagnostics").text.split("\n")
        assert name == "completeness gap" and float(gap) == pytest.approx(gaps[target], rel=5e-3, abs=1e-5)
        notes = find(page, ".about .notes").text
        flag = page.find_elements("css selector", ".flag")[2]
        assert flag.is_displayed() == bool(notes) == (gaps[target] > 0.05)
        assert not notes or "misses completeness by up to" in notes
    method = tfviz.METHODS["integrated_gradients"]
    about = find(page, ".about").text
    assert f"Careful: {method.caution}." in about and SIGNS[method.sign] in about and "sum over the colours" in about


def test_by_keyboard_alone(page, made):
    """The Tab key leads to everything; arrows slide, choose and move the crosshair, which is read out."""
    from selenium.webdriver.common.keys import Keys

    reached = {}
    for _ in range(60):
        press(page, Keys.TAB)
        focused = page.switch_to.active_element
        if focused.tag_name == "body":
            break
        name = focused.get_attribute("id") or focused.get_attribute("name") or focused.get_attribute("class")
        reached.setdefault(name or focused.text, focused)
        marked = "const each = arguments[0]; return getComputedStyle(each.closest('label') ?? each).outlineStyle"
        marked = marked if focused.get_attribute("type") == "radio" else marked.replace("each.closest('label') ?? ", "")
        assert page.execute_script(marked, focused) != "none", name
    assert {"skip", "opacity", "colormap", "map", "method-0", "target-0", "method-1"} <= {*reached}
    before = pixels(page)
    page.execute_script("arguments[0].focus()", reached["opacity"])
    press(page, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert find(page, "#opacity-value").text == "52 %" and (pixels(page) != before).any()
    page.execute_script("arguments[0].focus()", reached["method-0"])
    press(page, Keys.ARROW_RIGHT)
    assert find(page, ".about .title").text.startswith("grad_cam at")
    press(page, Keys.ARROW_LEFT)
    page.execute_script("arguments[0].focus()", reached["target-0"])
    press(page, Keys.ARROW_DOWN)
    assert find(page, ".about .title").text == f"saliency, for {CLASSES[made.found.targets[1]]}"
    page.execute_script("arguments[0].focus()", reached["map"])
    exact = made.found.maps["saliency"][1]
    press(page, Keys.END)
    row, column, value, error = read(page)
    assert exact[row, column] <= exact.min() + error
    press(page, Keys.HOME)
    row, column, value, error = read(page)
    assert exact[row, column] >= exact.max() - error and abs(value - exact[row, column]) <= error * 1.01
    press(page, Keys.ARROW_DOWN, Keys.ARROW_LEFT)
    moved = min(row + 1, SIDE - 1), max(column - 1, 0)
    assert read(page)[:2] == moved
    press(page, Keys.ARROW_UP, held=Keys.SHIFT)
    assert read(page)[:2] == (max(moved[0] - 10, 0), moved[1])
    press(page, *[Keys.ARROW_RIGHT] * 2)
    assert read(page)[:2] == (max(moved[0] - 10, 0), min(moved[1] + 2, SIDE - 1))
    until(page, "document.getElementById('status').textContent.startsWith('row ')")
    assert find(page, ".across").is_displayed() and find(page, ".down").is_displayed()
    press(page, Keys.ESCAPE)
    assert not find(page, ".across").is_displayed()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing(page, width, dark):
    undecided = found_by_axe(page, width, dark)
    # At the width of a phone axe cannot tell the contrast of some texts, whose colours are those of the wide page.
    assert undecided == [] or (width == 390 and {name for name, _ in undecided} == {"color-contrast"})


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_in_what_is_measured(measured_page, width, dark):
    """Without the cards of most pictures, which are like the first."""
    measured_page.execute_script(
        "document.querySelectorAll('article.picture').forEach((each, number) => { if (number > 1) each.remove() })"
    )
    undecided = found_by_axe(measured_page, width, dark)
    # Nor can it of texts in drawings.
    assert {name for name, _ in undecided} <= {"color-contrast"}
    shown = (
        "const [tick, page] = [document.querySelector('.tick'), document.body].map((each) => getComputedStyle(each));"
    )
    colors = measured_page.execute_script(f"{shown} return [tick.fill, page.backgroundColor]")
    darker, lighter = sorted(luminance(map(int, re.findall(r"\d+", each))) for each in colors)
    assert (lighter + 0.05) / (darker + 0.05) > 4.5


def luminance(color):
    """Of red, green and blue, 0..255, by WCAG 2."""
    shares = [each / 255 for each in color]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in shares]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def found_by_axe(page, width, dark):
    """With every part open, and the bar not over others, whose contrast axe could not tell."""
    page.set_script_timeout(60)
    browser.look(page, width=width, dark=dark)
    shown = page.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", shown))) < 300) == dark
    page.execute_script(
        "document.querySelectorAll('details').forEach((each) => { each.open = true });"
        "document.querySelector('.toolbar').style.position = 'static'; window.scrollTo(0, 0)"
    )
    page.find_elements("css selector", "article.picture .methods label")[-1].click()
    page.execute_script("window.scrollTo(0, 0)")
    browser.settled(page)
    violations, undecided = browser.accessibility_findings(page)
    assert violations == []
    return undecided


@pytest.mark.parametrize("width", [390, 320])
def test_a_phone_need_not_scroll_sideways(page, width):
    check_narrow(page, width)


@pytest.mark.parametrize("width", [390, 320])
def test_a_phone_shows_what_is_measured(measured_page, width):
    check_narrow(measured_page, width)
    browser.look(measured_page, width=width, height=800)
    tables = measured_page.find_elements("css selector", "#comparison .scroll, #subgroups .scroll")
    assert len(tables) == 4 and all(each.size["width"] <= width for each in tables)


def check_narrow(page, width):
    browser.look(page, width=width, height=800)
    choose(page, "methods", 1)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    too_wide = page.execute_script(
        "return [...document.querySelectorAll('main *')].filter((each) => !each.closest('.scroll, .unseen') &&"
        " each.getBoundingClientRect().right > window.innerWidth + 1).map((each) => each.outerHTML.slice(0, 80))"
    )
    assert too_wide == []
    # Nor is anything squeezed.
    shown = page.execute_script("return document.querySelector('canvas.map').getBoundingClientRect().width")
    beside = page.execute_script("return document.querySelector('.beside').getBoundingClientRect().width")
    assert min(shown, beside) > 0.8 * width


def test_classes_and_methods_are_chosen_beside_what_is_measured(measured_page):
    """By mouse and by keyboard; the parts below stay as they are, and are reached by their links."""
    from selenium.webdriver.common.keys import Keys

    page = measured_page
    below = "return document.querySelector('#comparison').innerHTML + document.querySelector('#subgroups').innerHTML"
    before, first = page.execute_script(below), pixels(page)
    choose(page, "targets", 1)
    assert (pixels(page) != first).any() and ", for " in find(page, ".about .title").text
    page.execute_script("arguments[0].focus()", find(page, "input[name=target-0]:checked"))
    press(page, Keys.ARROW_DOWN)
    chosen = page.find_elements("css selector", "article.picture .targets label")[0].text.split("\n")[0]
    assert find(page, ".about .title").text == f"saliency, for {chosen}"
    page.execute_script("arguments[0].focus()", find(page, "input[name=method-0]:checked"))
    press(page, Keys.ARROW_RIGHT)
    assert find(page, ".about .title").text.startswith("grad_cam at")
    assert page.execute_script(below) == before
    for part in ("comparison", "curves", "sanity", "subgroups"):
        link = find(page, f"nav a[href='#{part}']")
        page.execute_script("arguments[0].focus()", link)
        press(page, Keys.ENTER)
        browser.settled(page)
        top = page.execute_script("return arguments[0].getBoundingClientRect().top", find(page, f"#{part} h2"))
        assert 0 <= top < 1000
    press(page, Keys.TAB)
    assert page.switch_to.active_element.get_attribute("aria-label") == f"By {GROUP}"


def test_groups_are_shown_with_their_names_and_marks(measured_page):
    """Names of strangers are texts; what is marked is told without colour alone."""
    titles = [each.text for each in measured_page.find_elements("css selector", "#subgroups h3")]
    assert titles == [f"By {GROUP}", f"saliency by {GROUP}", f"grad_cam by {GROUP}"]
    names = [each.text for each in measured_page.find_elements("css selector", "#subgroups tbody th")]
    assert names[:3] == [GROUP, ("a group of a long name, that has no end " * 3).strip(), "(none given)"]
    marks = [each.text for each in measured_page.find_elements("css selector", "#subgroups .mark")]
    assert marks[0] == "too few to judge" and measured_page.title == "What own looks at"


def test_nothing_is_loaded_and_nothing_of_a_stranger_runs(page):
    assert page.execute_script("return document.querySelectorAll('img[src=x], [onerror]').length") == 0
    entries = page.execute_script("return performance.getEntriesByType('resource').map((each) => each.name)")
    assert all(each.startswith("data:") for each in entries)
    assert find(page, "article.picture h3").text == HOSTILE
    assert find(page, ".targets .name").text == CLASSES[demo.CLASS_NAMES.index("blue checked star")]
    # What should slip through all the same is stopped by the policy of the page.
    page.execute_script(
        "const added = document.createElement('script'); added.textContent = \"document.title = 'hit'\";"
        "document.body.append(added)"
    )
    assert any("Content Security Policy" in each["message"] for each in page.get_log("browser"))


def test_without_scripts(page):
    page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page.refresh()
        assert "Scripts are switched off in this browser." in find(page, "#pictures").text
        shown = [each for each in page.find_elements("css selector", "noscript img") if each.is_displayed()]
        assert len(shown) == 2 and not find(page, ".toolbar").is_displayed()
    finally:
        page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
