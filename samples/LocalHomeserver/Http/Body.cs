using System.Text.Json;

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
        // What is not JSON and what is JSON of a wrong shape are two different errors (R4): so this is looked at first.
        switch (JsonText.FormOf(json))
        {
            case JsonForm.NotJson: throw Errors.NotJson();
            case JsonForm.NotText: throw Errors.BadJson("The request body has half of a surrogate pair");
            case JsonForm.TooDeep: throw Errors.BadJson("The request body is nested too deep");
        }

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
}
