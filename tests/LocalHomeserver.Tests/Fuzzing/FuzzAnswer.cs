using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace LocalHomeserver.Tests;

/// <summary>What the server answered.</summary>
internal sealed record FuzzAnswer(int Status, string? ContentType, byte[] Body)
{
    /// <summary>What is wrong with its form; null when nothing is.</summary>
    /// <param name="isBare">Whether the server may have refused it before anybody saw it, as bad HTTP.</param>
    /// <param name="isMatrix">Whether it is an endpoint's, and not a file.</param>
    public string? Problem(bool isBare, bool isMatrix)
    {
        if (Status >= 500) return $"{Status}";
        if (!isMatrix && Status < 400) return null;
        if (isBare && Status == 400 && Body.Length == 0) return null;
        if (ContentType != "application/json" && ContentType != "application/json; charset=utf-8") return $"{Status} with the content type {ContentType}";
        if (!IsJson(Body)) return $"{Status}, and the body is not JSON";
        return Status < 400 || IsError() ? null : $"{Status} without errcode and error";
    }

    public static bool IsJson(ReadOnlySpan<byte> body)
    {
        if (!Utf8.IsValid(body)) return false;
        try
        {
            var reader = new Utf8JsonReader(body, new JsonReaderOptions { MaxDepth = int.MaxValue });
            while (reader.Read()) { }
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    public override string ToString() => $"{Status} {Encoding.UTF8.GetString(Body)}";

    // A 401 may ask for more instead.
    private bool IsError()
    {
        using var document = JsonDocument.Parse(Body);
        var json = document.RootElement;
        return json.ValueKind == JsonValueKind.Object
            && ((IsText("errcode") && IsText("error")) || (Status == 401 && json.Has("flows") && json.Has("session")));

        bool IsText(string name) => json.TryGetProperty(name, out var text) && text.ValueKind == JsonValueKind.String && text.GetString()!.Length > 0;
    }
}
