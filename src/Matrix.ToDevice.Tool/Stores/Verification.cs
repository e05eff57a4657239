using System.Text.Json;

namespace Matrix.ToDevice.Tool;

/// <summary>What is the same for all stores.</summary>
internal static class Verification
{
    // Deeper than any host lets in.
    private const int MaxDepth = 10_000;

    /// <summary>Clocks of hosts differ; a time that lies further ahead was set wrong.</summary>
    public static TimeSpan ClockTolerance { get; } = TimeSpan.FromDays(1);

    public static bool IsJson(ReadOnlySpan<byte> content)
    {
        var reader = new Utf8JsonReader(content, new JsonReaderOptions { MaxDepth = MaxDepth });
        try
        {
            while (reader.Read())
            {
            }

            return content.Length > 0;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
