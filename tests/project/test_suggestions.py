"""What a misspelt name could have meant."""

from tfviz.errors import resembling


def test_resembling_names_keep_their_spelling():
    assert resembling("vgg61", ["VGG16", "VGG19", "Xception"], 1) in ("'VGG16'", "'VGG19'")
    assert resembling("VGG1", ["vgg16", "VGG19", "xception"]) in ("'vgg16' or 'VGG19'", "'VGG19' or 'vgg16'")
    assert resembling("zebra", ["vgg16"]) == ""
