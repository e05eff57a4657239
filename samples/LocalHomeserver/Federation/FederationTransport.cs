using System.Buffers;
using System.Text.Json;
using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>Takes the library's transactions to other servers: requests that are signed like all others.</summary>
internal sealed class FederationTransport(FederationClient client, Settings settings) : IFederationTransport
{
    // <federation-transport>
    public async ValueTask<FederationSendResult> SendAsync(FederationTransaction transaction, CancellationToken cancellationToken)
    {
        try
        {
            await client.SendTransactionAsync(
                transaction.Destination, transaction.TransactionId, BodyOf(transaction), cancellationToken);
            return FederationSendResult.Received;
        }
        catch (CanonicalJsonException e)
        {
            // What cannot be signed today cannot be signed tomorrow.
            return FederationSendResult.Refused(e.Message);
        }
        catch (FederationException e)
        {
            return e.StatusCode is { } status
                ? FederationSendResult.Of(status, e.RetryAfter)
                : FederationSendResult.Failed(e.Message);
        }
    }

    private byte[] BodyOf(FederationTransaction transaction)
    {
        var body = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(body)) transaction.WriteTo(json, settings.ServerName);
        // What is signed is what is sent, to the byte: a server that encodes it again has to find the same.
        return CanonicalJson.Encode(body.WrittenSpan);
    }
    // </federation-transport>
}
