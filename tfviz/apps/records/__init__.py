"""Records of `tf.train.Example`, explained one by one: pictures in, maps out."""
