using System.Text.Json;
using Matrix.ToDevice;
using Microsoft.AspNetCore.Mvc;

namespace LocalHomeserver;

/// <summary><c>PUT send/{txnId}</c>: what another server has for the users of this one.</summary>
internal static partial class SendEndpoint
{
    public static void MapSend(this IEndpointRouteBuilder federation) =>
        // The transaction ID says nothing that is needed: each EDU is recognised by itself when it comes again.
        federation.MapPut("/send/{txnId}", async (
            Origin origin, [FromServices] FederationReceiver receiver, [FromServices] IEnumerable<IEduHandler> handlers, ILogger<IEduHandler> logger,
            CancellationToken cancellationToken) =>
        {
            // <federation-edus>
            // All of this before anything is delivered (R83).
            var transaction = InboundTransaction.Read(origin.Body);
            if (transaction.Origin is { } said && said != origin.ServerName)
                throw Errors.Forbidden("The transaction is of another server than the one that has signed it");

            // One after the other: a sender's messages keep their order (R89). An origin beyond its limit gets a 429 before any of them.
            await receiver.ReceiveTransactionAsync(origin.ServerName, transaction, ReceiveOtherAsync, cancellationToken);

            // A failure of the store has become a 503 by now, which makes the origin try again as the 429 does.
            // Whatever else was wrong with an EDU, the answer is 200 (R85).
            return new TransactionAnswer(Refuse(transaction.Pdus));

            async ValueTask ReceiveOtherAsync(InboundEdu edu, CancellationToken cancellation)
            {
                if (handlers.FirstOrDefault(handler => handler.EduType == edu.EduType) is not { } handler) return;
                try
                {
                    await handler.ReceiveAsync(origin.ServerName, edu.Content, cancellation);
                }
                catch (Exception e) when (IsOfTheContent(e))
                {
                    // Its own trouble, and nothing to those beside it (D15).
                    LogPassedOver(logger, edu.EduType, origin.ServerName, e.Message);
                }
            }
            // </federation-edus>
        });

    // JsonElement has one type of exception for half a surrogate, another one for each wrong type, and some that a store throws too.
    private static bool IsOfTheContent(Exception exception) =>
        exception is ToDeviceErrorException { Error.StatusCode: < 500 } or JsonException
        || exception.Source?.StartsWith("System.Text.Json", StringComparison.Ordinal) == true;

    // Only old room versions put the ID of an event into it. The others' IDs depend on their room's version, and there are no rooms.
    private static Dictionary<string, PduAnswer> Refuse(IEnumerable<ReadOnlyMemory<byte>> pdus) => pdus
        .Select(EventIdOf).OfType<string>().Distinct()
        .ToDictionary(eventId => eventId, _ => new PduAnswer("This server has no rooms"));

    private static string? EventIdOf(ReadOnlyMemory<byte> pdu)
    {
        try
        {
            return JsonElement.Parse(pdu.Span).GetProperty("event_id").GetString();
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            return null;
        }
    }

    [LoggerMessage(7, LogLevel.Warning, "An EDU of type {EduType} from {Origin} was passed over: {Reason}")]
    private static partial void LogPassedOver(ILogger logger, string eduType, string origin, string reason);
}

internal sealed record TransactionAnswer(IReadOnlyDictionary<string, PduAnswer> Pdus);

internal sealed record PduAnswer(string Error);
