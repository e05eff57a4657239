using System.Collections.Concurrent;

namespace Matrix.ToDevice;

/// <summary>
/// Whether the store of a target can be opened at all. Where it cannot, the first case tells all there is to tell and the others point to
/// it: a long story that comes a hundred times is read by nobody.
/// </summary>
internal sealed class Openings
{
    // So many in a row, from the very first on, are no accident. A store that cannot be opened now and then is tried by every case.
    private const int Tries = 3;

    // Test frameworks run each case by itself, and most adopters make a target for each.
    private static readonly ConcurrentDictionary<(Type Target, string Name), Openings> s_ofTargets = new();

    private readonly Lock _lock = new();
    private bool _haveSucceeded;
    private (string Case, string Kind)? _first;
    private int _failures;

    /// <summary>Those of all targets of a class and a name in this process.</summary>
    public static Openings Of(StoreTarget target) => s_ofTargets.GetOrAdd((target.GetType(), target.Name), _ => new());

    /// <summary>Whether the store was opened once, and then answered.</summary>
    public bool HaveSucceeded
    {
        get
        {
            lock (_lock) return _haveSucceeded;
        }
    }

    public void Succeeded()
    {
        lock (_lock) _haveSucceeded = true;
    }

    /// <summary>Why a case need not try, if so.</summary>
    public string? WhyNotToTry(string caseName)
    {
        lock (_lock)
        {
            return _haveSucceeded || _failures < Tries || _first is not { } first || first.Case == caseName
                ? null
                : $"Not run: the store could not be opened ({first.Kind}), {Tries} times in a row. {first.Case} tells why.";
        }
    }

    /// <summary>An opening has failed.</summary>
    /// <param name="caseName">The case that tried.</param>
    /// <param name="kind">What it was, in a word or two: what is of the same kind is told once.</param>
    /// <param name="reason">The whole story.</param>
    /// <returns>What the case says, and whether that is the whole story.</returns>
    public (string Reason, bool IsWhole) Failed(string caseName, string kind, string reason)
    {
        lock (_lock)
        {
            if (_haveSucceeded) return ($"The store cannot be opened, and could be before. {reason}", true);
            _first ??= (caseName, kind);
            if (_first.Value.Kind == kind) _failures++;
            return _first.Value.Kind != kind || _first.Value.Case == caseName
                ? ($"The store cannot be opened. {reason} Other cases that fail for this say so in one line.", true)
                : ($"The store cannot be opened ({kind}). {_first.Value.Case} tells why.", false);
        }
    }
}
