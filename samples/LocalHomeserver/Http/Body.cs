using System.Text.Json;
using System.Text.Unicode;

namespace LocalHomeserver;

/// <summary>
/// The JSON object in a request's body: an endpoint that has a parameter of this type gets it, or its request is
/// answered with an error. Minimal APIs' own body parameters would insist on a Content-Type, which Matrix does not (R1).
/// </summary>
internal sealed record Body<T>(T Value)
{
    private const int MaxBytes = 1024 * 1024;

    public static async ValueTask<Body<T>?> BindAsync(HttpContext context)
    {
        var body = await RequestBody.ReadAsync(context, MaxBytes);
        // A DELETE has a body only to carry a password confirmation: without one there is nothing to send yet.
        var json = body.IsEmpty && HttpMethods.IsDelete(context.Request.Method) ? "{}"u8 : body.Span;
        if (!IsJson(json)) throw Errors.NotJson();
        try
        {
            return JsonSerializer.Deserialize(json, MatrixJson.Default.GetTypeInfo(typeof(T))!) is T value
                ? new Body<T>(value)
                : throw Errors.BadJson();
        }
        catch (JsonException)
        {
            throw Errors.BadJson();
        }
    }

    // What is not JSON and what is JSON of a wrong shape are two different errors (R4): so the syntax is checked first.
    private static bool IsJson(ReadOnlySpan<byte> json)
    {
        if (!Utf8.IsValid(json)) return false;
        try
        {
            var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = MaxBytes });
            while (reader.Read()) { }
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
