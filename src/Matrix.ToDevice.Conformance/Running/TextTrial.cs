namespace Matrix.ToDevice;

/// <summary>
/// What becomes of texts in the parts of what a store keeps. One that is refused, changed or taken for another does not end the case: an
/// author wants to know of all columns at once.
/// </summary>
internal sealed class TextTrial
{
    private const int Shown = 24, MostOfDetail = 200;

    private readonly List<(string Part, string Kind, string Outcome, string Detail)> _findings = [];
    private Exception? _cause;

    /// <summary>Tries a text.</summary>
    /// <param name="part">Where it stands: "The sender of a message".</param>
    /// <param name="text">The text.</param>
    /// <param name="attempt">What is done with it; the result is what is wrong: "was changed", and what more there is to say.</param>
    public async Task TryAsync(string part, ChosenText text, Func<Task<(string Outcome, string Detail)?>> attempt)
    {
        try
        {
            if (await attempt() is { } wrong) _findings.Add((part, text.Kind, wrong.Outcome, wrong.Detail));
        }
        catch (BrokenPromise broken)
        {
            _cause ??= broken.InnerException;
            var detail = broken.InnerException is null ? broken.Message : CaseRun.Describe(broken.InnerException);
            _findings.Add((part, text.Kind, "was refused", detail));
        }
    }

    /// <summary>Says what was found, if anything was: of each part and kind, the first.</summary>
    public void End(string advice)
    {
        if (_findings.Count == 0) return;
        var parts = _findings.GroupBy(finding => finding.Part)
            .Select(part => $"{part.Key}: {string.Join("; ", part.DistinctBy(finding => (finding.Kind, finding.Outcome))
                .GroupBy(finding => (finding.Outcome, Shorten(finding.Detail)), finding => finding.Kind).Select(Tell))}.");
        throw new BrokenPromise($"{string.Join(" ", parts)} {advice}", _cause);
    }

    /// <summary>A text as it can be read in a report: both ends of a long one.</summary>
    public static string Show(string text) => text.Length <= Shown
        ? $"\"{Escape(text)}\""
        : $"\"{Escape(text[..(Shown / 2)])}…{Escape(text[^(Shown / 2)..])}\" ({text.Length} characters)";

    private static string Escape(string text) =>
        string.Concat(text.Select(letter => char.IsAscii(letter) && !char.IsControl(letter) ? $"{letter}" : $"\\u{(int)letter:x4}"));

    private static string Tell(IGrouping<(string Outcome, string Detail), string> kinds) =>
        $"{kinds.First()} {kinds.Key.Outcome} ({kinds.Key.Detail}){string.Concat(kinds.Skip(1).Select(kind => $", likewise {kind}"))}";

    private static string Shorten(string detail)
    {
        var line = detail.Trim().ReplaceLineEndings(" ");
        return line.Length <= MostOfDetail ? line : $"{line[..MostOfDetail]}…";
    }
}
