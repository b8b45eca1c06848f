"""What a misspelt name could have meant."""

from tfviz.errors import resembling, suggestion


def test_resembling_names_keep_their_spelling():
    assert resembling("vgg61", ["VGG16", "VGG19", "Xception"], 1) in ("'VGG16'", "'VGG19'")
    assert resembling("VGG1", ["vgg16", "VGG19", "xception"]) in ("'vgg16' or 'VGG19'", "'VGG19' or 'vgg16'")
    assert resembling("zebra", ["vgg16"]) == ""
    assert resembling("vgg1", ["vgg16", "vgg16"]) == resembling("vgg 16", ["vgg16", "vgg16"]) == "'vgg16'"


def test_names_that_differ_in_case_hyphens_and_underscores_alone_come_before_all_others():
    known = ["conv1", "conv_1", "Conv1_1", "conv11", "conv2"]
    assert resembling("CONV-1", known) == "'conv1' or 'conv_1'"
    assert resembling("conv 11", known, 1) == "'Conv1_1'"
    assert resembling("conv1_12", known, 2) == "'Conv1_1' or 'conv11'"


def test_letters_stand_for_words_where_nothing_is_spelt_alike():
    known = ["integrated_gradients", "global average-pooling", "grad_cam"]
    assert (resembling("IG", known), resembling("gap", known)) == ("'integrated_gradients'", "'global average-pooling'")
    assert resembling("gc", ["gcd", "grad_cam"]) == "'gcd'"
    assert resembling("", known) == resembling("ga", known) == ""


def test_how_alike_names_must_be():
    assert (resembling("lime", ["rise"]), resembling("lime", ["rise"], cutoff=0.6)) == ("'rise'", "")


def test_a_suggestion_asks_about_what_resembles_and_else_says_what_there_is():
    assert suggestion("jett", ["jet", "hot"], "there are two") == "did you mean 'jet'?"
    assert suggestion("jett", ["jet", "hot"], "there are two", always=True) == "did you mean 'jet'? there are two"
    assert suggestion(7, ["jet", "hot"], "there are two") == "there are two"
    assert suggestion(7, ["jet", "hot"], "there are two", always=True) == "there are two"
