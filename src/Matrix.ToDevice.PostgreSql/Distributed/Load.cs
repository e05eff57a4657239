namespace Matrix.ToDevice;

/// <summary>An intent with what it holds.</summary>
/// <param name="Intent">The intent.</param>
/// <param name="Portion">What it holds.</param>
internal readonly record struct Load(Intent Intent, Portion Portion);
