using System.Globalization;

namespace Matrix.ToDevice.Tool;

/// <summary>What is not as it should be. Of each kind, the first ones are told in words, and all are counted.</summary>
internal sealed class Findings
{
    private const int ToldOfEach = 20;

    private readonly Dictionary<string, long> _counts = [];
    private readonly List<FindingLine> _lines = [];
    private readonly List<string> _checks = [];

    /// <summary>The checks that were made, in their order.</summary>
    public IReadOnlyList<string> Checks => _checks;

    public IReadOnlyList<FindingLine> Lines => _lines;

    public long Count => _counts.Values.Sum();

    /// <summary>A check begins.</summary>
    public void Begin(string check) => _checks.Add(check);

    /// <summary>The check that began last has found something.</summary>
    public void Add(string text)
    {
        var check = _checks[^1];
        var count = _counts[check] = _counts.GetValueOrDefault(check) + 1;
        if (count <= ToldOfEach) _lines.Add(new FindingLine(check, text));
        else if (count == ToldOfEach + 1) _lines.Add(new FindingLine(check, string.Create(CultureInfo.InvariantCulture, $"and more, beyond these {ToldOfEach}")));
    }
}

/// <param name="Check">The promise.</param>
/// <param name="Text">Where it is broken.</param>
internal sealed record FindingLine(string Check, string Text);
