namespace Matrix.ToDevice;

/// <summary>What a case found wrong, in words for the author of the store.</summary>
internal sealed class BrokenPromise(string reason, Exception? cause = null) : Exception(reason, cause);

/// <summary>Says what is wrong, if something is.</summary>
internal static class Check
{
    public static void That(bool holds, string reason)
    {
        if (!holds) throw new BrokenPromise(reason);
    }

    public static void Equal<T>(T actual, T expected, string reason) =>
        That(EqualityComparer<T>.Default.Equals(actual, expected), $"{reason} Expected {expected}, found {actual}.");

    public static void Same(IReadOnlyList<string> actual, IReadOnlyList<string> expected, string reason) =>
        That(actual.SequenceEqual(expected, StringComparer.Ordinal), $"{reason} Expected {Show(expected)}, found {Show(actual)}.");

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

    private static string Show(IReadOnlyList<string> texts) => texts.Count == 0
        ? "nothing"
        : $"[{string.Join(", ", texts.Take(12).Select(Shorten))}{(texts.Count > 12 ? $", … {texts.Count} in all" : "")}]";

    private static string Shorten(string text) => text.Length <= 60 ? text : $"{text[..40]}… ({text.Length} characters)";
}
