namespace Matrix.ToDevice;

/// <summary>What a case found wrong, in words for the author of the store.</summary>
internal sealed class BrokenPromise(string reason, Exception? cause = null) : Exception(reason, cause);

/// <summary>Says what is wrong, if something is.</summary>
internal static class Check
{
    private const int Shown = 12;

    public static void That(bool holds, string reason)
    {
        if (!holds) throw new BrokenPromise(reason);
    }

    public static void Equal<T>(T actual, T expected, string reason) =>
        That(EqualityComparer<T>.Default.Equals(actual, expected), $"{reason} Expected {expected}, found {actual}.");

    public static void Same(IReadOnlyList<string> actual, IReadOnlyList<string> expected, string reason)
    {
        var same = 0;
        while (same < actual.Count && same < expected.Count && actual[same] == expected[same]) same++;
        // Of long lists, what is shown begins a little before the first difference.
        var from = actual.Count + expected.Count <= 2 * Shown ? 0 : Math.Max(0, same - 2);
        That(same == actual.Count && same == expected.Count, $"{reason} Expected {Show(expected, from)}, found {Show(actual, from)}.");
    }

    public static void Empty(IReadOnlyList<string> actual, string reason) => Same(actual, [], reason);

    public static async Task ThrowsAsync<TException>(Func<ValueTask> call, string reason)
        where TException : Exception
    {
        try
        {
            await call();
        }
        catch (TException)
        {
            return;
        }
        catch (Exception exception)
        {
            throw new BrokenPromise($"{reason} Expected {typeof(TException).Name}, but it threw {exception.GetType().Name}: {exception.Message}", exception);
        }

        throw new BrokenPromise($"{reason} Expected {typeof(TException).Name}, but it returned.");
    }

    private static string Show(IReadOnlyList<string> texts, int from)
    {
        if (texts.Count == 0) return "nothing";
        var shown = string.Join(", ", texts.Skip(from).Take(Shown).Select(Shorten));
        return $"[{(from > 0 ? "…, " : "")}{shown}{(texts.Count > from + Shown ? ", …" : "")}]{(texts.Count > Shown ? $" ({texts.Count} in all)" : "")}";
    }

    private static string Shorten(string text) => text.Length <= 60 ? text : $"{text[..40]}… ({text.Length} characters)";
}
