namespace Matrix.ToDevice;

/// <summary>A request cannot be carried out, and <see cref="Error"/> is what to answer.</summary>
public sealed class ToDeviceErrorException : Exception
{
    /// <summary>Makes the exception for an error.</summary>
    public ToDeviceErrorException(ToDeviceError error)
        : base(error?.Error) => Error = error ?? throw new ArgumentNullException(nameof(error));

    /// <summary>The error to answer with.</summary>
    public ToDeviceError Error { get; }
}
