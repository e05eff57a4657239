namespace Matrix.ToDevice;

/// <summary>A request cannot be carried out, and <see cref="Error"/> is what to answer.</summary>
public sealed class MatrixErrorException : Exception
{
    /// <summary>Makes the exception for an error.</summary>
    public MatrixErrorException(MatrixError error)
        : base(error?.Error) => Error = error ?? throw new ArgumentNullException(nameof(error));

    /// <summary>The error to answer with.</summary>
    public MatrixError Error { get; }
}
