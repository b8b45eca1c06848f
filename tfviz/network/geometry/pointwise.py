"""The operations that leave everything where it is.

They change numbers element by element, by channel, or against what is broadcast, so that places and layouts pass them
unchanged. An operation that is not listed here and has no rule in `following` loses the image's geometry.
"""

POINTWISE = frozenset(
    {"Abs", "Acos", "Acosh", "Add", "AddN", "AddV2", "Asin", "Asinh", "Atan", "Atan2", "Atanh", "Betainc"}
    | {"BiasAdd", "Bitcast", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Cast", "Ceil", "CheckNumerics"}
    | {"ClipByValue", "Complex", "Cos", "Cosh", "Cumprod", "Cumsum", "Digamma", "Div", "DivNoNan", "Elu"}
    | {"EluGrad", "Equal", "Erf", "Erfc", "Erfinv", "Exp", "Expm1", "FakeQuantWithMinMaxArgs"}
    | {"FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxVarsPerChannel", "Floor", "FloorDiv", "FloorMod"}
    | {"FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3", "Greater", "GreaterEqual", "Identity"}
    | {"IdentityN", "Igamma", "Igammac", "Imag", "Inv", "Invert", "IsFinite", "IsInf", "IsNan", "LRN"}
    | {"LeakyRelu", "LeftShift", "Less", "LessEqual", "Lgamma", "Log", "Log1p", "LogSoftmax", "LogicalAnd"}
    | {"LogicalNot", "LogicalOr", "Maximum", "Minimum", "Mod", "Mul", "MulNoNan", "Ndtri", "Neg", "NextAfter"}
    | {"NotEqual", "Polygamma", "Pow", "PreventGradient", "QuantizeAndDequantize", "QuantizeAndDequantizeV2"}
    | {"QuantizeAndDequantizeV3", "QuantizeAndDequantizeV4", "Real", "RealDiv", "Reciprocal", "Relu", "Relu6"}
    | {"RightShift", "Rint", "Round", "Rsqrt", "Select", "SelectV2", "Selu", "Sigmoid", "Sign", "Sin", "Sinh"}
    | {"Snapshot", "Softmax", "Softplus", "Softsign", "Sqrt", "Square", "SquaredDifference", "StopGradient"}
    | {"Sub", "Tan", "Tanh", "TruncateDiv", "TruncateMod", "Xdivy", "Xlog1py", "Xlogy", "Zeta", "EnsureShape"}
    | {"PlaceholderWithDefault"}
)
