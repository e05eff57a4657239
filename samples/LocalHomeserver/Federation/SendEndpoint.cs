using System.Text.Json;
using Matrix.ToDevice;
using Microsoft.AspNetCore.Mvc;

namespace LocalHomeserver;

/// <summary><c>PUT send/{txnId}</c>: what another server has for the users of this one.</summary>
internal static class SendEndpoint
{
    private const int MaxPdus = 50;

    public static void MapSend(this IEndpointRouteBuilder federation) =>
        // The transaction ID says nothing that is needed: each EDU is recognised by itself when it comes again.
        federation.MapPut("/send/{txnId}", async (
            Origin origin, [FromServices] IEnumerable<IEduHandler> handlers, CancellationToken cancellationToken) =>
        {
            var transaction = origin.Content ?? throw Errors.NotJson();
            if (transaction.TryGetProperty("origin", out var said) && !(said.ValueKind == JsonValueKind.String && said.ValueEquals(origin.ServerName)))
                throw Errors.Forbidden("The transaction is of another server than the one that has signed it");

            // All of this before anything is delivered (R83).
            var pdus = ListOf(transaction, "pdus", MaxPdus);
            var edus = ListOf(transaction, "edus", FederationReceiver.MaxEdus);

            // <federation-edus>
            // One after the other: a sender's messages keep their order (R89).
            foreach (var edu in edus)
            {
                var type = StringOf(edu, "edu_type");
                if (handlers.FirstOrDefault(handler => handler.EduType == type) is not { } handler) continue;
                edu.TryGetProperty("content", out var content);
                await handler.ReceiveAsync(origin.ServerName, content, cancellationToken);
            }

            // A failure of the store has become a 503 by now, which makes the origin try again. Whatever else was wrong with an
            // EDU, the answer is 200 (R85).
            return new TransactionAnswer(Refuse(pdus));
            // </federation-edus>
        });

    private static JsonElement[] ListOf(JsonElement transaction, string name, int atMost)
    {
        if (!transaction.TryGetProperty(name, out var list)) return [];
        if (list.ValueKind != JsonValueKind.Array) throw Errors.BadJson();
        return list.GetArrayLength() <= atMost
            ? [.. list.EnumerateArray()]
            : throw Errors.New(400, "M_BAD_JSON", $"There are more than {atMost} {name} in the transaction");
    }

    // Only old room versions put the ID of an event into it. The others' IDs depend on their room's version, and there are no rooms.
    private static Dictionary<string, PduAnswer> Refuse(JsonElement[] pdus) => pdus
        .Select(pdu => StringOf(pdu, "event_id")).OfType<string>().Distinct()
        .ToDictionary(eventId => eventId, _ => new PduAnswer("This server has no rooms"));

    private static string? StringOf(JsonElement value, string name) =>
        value.ValueKind == JsonValueKind.Object && value.TryGetProperty(name, out var text) && text.ValueKind == JsonValueKind.String
            ? text.GetString()
            : null;
}

internal sealed record TransactionAnswer(IReadOnlyDictionary<string, PduAnswer> Pdus);

internal sealed record PduAnswer(string Error);
