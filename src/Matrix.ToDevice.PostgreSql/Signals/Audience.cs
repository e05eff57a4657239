namespace Matrix.ToDevice;

/// <summary>Who listens to what this store notifies, as far as it knows.</summary>
internal enum Audience
{
    /// <summary>Nothing is certain: the store does not listen itself, or has heard nothing yet. It notifies.</summary>
    Unknown,

    /// <summary>It hears itself and has heard nobody else: there is nobody to notify.</summary>
    Nobody,

    /// <summary>It has heard another store.</summary>
    Others,
}
