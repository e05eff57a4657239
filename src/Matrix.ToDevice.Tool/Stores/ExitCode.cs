namespace Matrix.ToDevice.Tool;

/// <summary>How a command ends (docs/tool.md).</summary>
internal static class ExitCode
{
    public const int Fine = 0;

    /// <summary>Something was found, or it was refused: nothing was changed.</summary>
    public const int Findings = 1;

    /// <summary>The command line says something that cannot be meant.</summary>
    public const int Usage = 2;

    /// <summary>The store or file cannot be used as it is: nothing was changed.</summary>
    public const int Unusable = 3;

    /// <summary>The tool itself is at fault.</summary>
    public const int Fault = 4;

    public const int Interrupted = 130;
}
