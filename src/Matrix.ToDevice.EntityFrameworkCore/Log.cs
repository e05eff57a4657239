using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice;

/// <summary>Everything that the store logs.</summary>
internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Information, "A call of the database is tried again, after attempt {Attempt}.")]
    public static partial void TriedAgain(ILogger logger, int attempt, Exception exception);
}
