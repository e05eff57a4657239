using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace LocalHomeserver.Tests;

/// <summary>A request <c>PUT /_matrix/federation/v1/send/{txnId}</c>.</summary>
internal sealed record ReceivedTransaction(string TransactionId, XMatrix? Authorization, string Text)
{
    public JsonElement Body { get; } = JsonElement.Parse(Text, new JsonDocumentOptions { MaxDepth = 200 });

    public JsonElement[] Edus => [.. Body.GetProperty("edus").EnumerateArray()];

    /// <summary>The EDUs' own IDs, in order.</summary>
    public string[] MessageIds => [.. Edus.Select(edu => edu.GetProperty("content").String("message_id"))];

    public static async Task<ReceivedTransaction> ReadAsync(HttpContext context, string txnId)
    {
        using var reader = new StreamReader(context.Request.Body);
        return new ReceivedTransaction(txnId, XMatrix.Parse(context.Request.Headers.Authorization.ToString()), await reader.ReadToEndAsync());
    }
}
