namespace Matrix.ToDevice.Tool;

/// <summary>Ends a command with one line that says what to do.</summary>
internal sealed class ToolException(string message, int exitCode, Exception? innerException = null) : Exception(message, innerException)
{
    public int ExitCode => exitCode;

    public static ToolException Refused(string message) => new(message, Tool.ExitCode.Findings);

    public static ToolException Usage(string message) => new(message, Tool.ExitCode.Usage);

    public static ToolException Unusable(string message, Exception? innerException = null) => new(message, Tool.ExitCode.Unusable, innerException);
}
