namespace Matrix.ToDevice;

/// <summary>A store breaks a promise of the seams.</summary>
public sealed class ConformanceException : Exception
{
    /// <summary>Makes an exception of a result.</summary>
    /// <param name="result">The result of the case that failed.</param>
    public ConformanceException(ConformanceResult result)
        : base(Describe(result), result?.Exception) => Result = result!;

    /// <summary>The result of the case that failed.</summary>
    public ConformanceResult Result { get; }

    private static string Describe(ConformanceResult? result)
    {
        ArgumentNullException.ThrowIfNull(result);
        return $"{result.Case.Promise}: {result.Reason}";
    }
}
