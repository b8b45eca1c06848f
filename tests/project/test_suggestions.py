"""What a misspelt name could have meant."""

from tfviz.errors import resembling, suggestion


def test_resembling_names_keep_their_spelling():
    assert resembling("vgg61", ["VGG16", "VGG19", "Xception"], 1) in ("'VGG16'", "'VGG19'")
    assert resembling("VGG1", ["vgg16", "VGG19", "xception"]) in ("'vgg16' or 'VGG19'", "'VGG19' or 'vgg16'")
    assert resembling("zebra", ["vgg16"]) == ""


def test_a_suggestion_asks_about_what_resembles_and_else_says_what_there_is():
    assert suggestion("jett", ["jet", "hot"], "there are two") == "did you mean 'jet'?"
    assert suggestion("jett", ["jet", "hot"], "there are two", always=True) == "did you mean 'jet'? there are two"
    assert suggestion(7, ["jet", "hot"], "there are two") == "there are two"
    assert suggestion(7, ["jet", "hot"], "there are two", always=True) == "there are two"
