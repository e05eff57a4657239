namespace Matrix.ToDevice;

/// <summary>A JSON value has no canonical form: it can be neither signed nor sent to another server (D20).</summary>
public sealed class CanonicalJsonException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">What speaks against it, without a full stop: part of a sentence.</param>
    public CanonicalJsonException(string message)
        : base(message)
    {
    }
}
