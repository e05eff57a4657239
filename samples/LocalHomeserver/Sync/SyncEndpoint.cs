using System.Text.Json;

namespace LocalHomeserver;

/// <summary><c>GET sync</c>: where to-device messages are delivered (R51).</summary>
internal static class SyncEndpoint
{
    public static void MapSync(this IEndpointRouteBuilder client) => client.MapGet("/sync", SyncAsync);

    private static async Task SyncAsync(HttpContext context, Caller caller, IAccountStore store, SyncAnswer answer)
    {
        var query = await SyncQuery.ReadAsync(context, caller, store);
        await answer.WriteAsync(context, caller, query.Request, Write);
    }

    private static void Write(Utf8JsonWriter json, SyncNews news)
    {
        json.WriteStartObject();
        json.WriteString("next_batch", new SyncToken(news.Messages.NextBatch, news.Others.Keys.Position).ToString());
        if (!news.Messages.IsEmpty)
        {
            json.WritePropertyName("to_device");
            news.Messages.WriteTo(json);
        }

        news.Others.Keys.WriteListsTo(json);
        news.Others.Keys.WriteOwnTo(json);
        news.Others.AccountData.WriteTo(json);
        json.WriteStartObject("rooms");
        WriteEmptyObject(json, "join");
        WriteEmptyObject(json, "invite");
        WriteEmptyObject(json, "leave");
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteEmptyObject(Utf8JsonWriter json, string name)
    {
        json.WriteStartObject(name);
        json.WriteEndObject();
    }
}
