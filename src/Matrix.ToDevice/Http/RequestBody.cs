using System.Buffers;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Matrix.ToDevice;

/// <summary>Reads a request's body into one buffer of the shared pool.</summary>
internal static class RequestBody
{
    private const int FirstBytes = 16 * 1024;

    // It has no exception of its own for bad data.
    private const string BrotliAssembly = "System.IO.Compression.Brotli";

    /// <summary>Reads the whole body. The caller returns the buffer to <see cref="ArrayPool{T}.Shared"/>.</summary>
    /// <exception cref="ToDeviceErrorException">413: it is longer than <paramref name="maxBytes"/>, by its header or in fact (D8).</exception>
    public static async ValueTask<(byte[] Buffer, int Length)> ReadAsync(
        HttpRequest request, int maxBytes, CancellationToken cancellationToken)
    {
        // The server has a limit of its own for all endpoints, and counts the framing of chunks too. Here, the option counts.
        // What is too large is not kept; the server reads on for a while, so that the client comes to read its answer.
        if (request.HttpContext.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } server)
            server.MaxRequestBodySize = null;

        var declared = request.ContentLength;
        if (declared > maxBytes) throw TooLarge(maxBytes);

        var buffer = ArrayPool<byte>.Shared.Rent((int)Math.Min(declared ?? FirstBytes, FirstBytes));
        var length = 0;
        try
        {
            while (true)
            {
                var read = await request.BodyReader.ReadAsync(cancellationToken);
                var received = (int)Math.Min(read.Buffer.Length, maxBytes + 1L - length);
                if (length + received > maxBytes)
                {
                    request.BodyReader.AdvanceTo(read.Buffer.End);
                    throw TooLarge(maxBytes);
                }

                if (length + received > buffer.Length)
                {
                    // By what has come, not by what the header promises: a promise costs a client nothing.
                    var wanted = Math.Min(4L * (length + received), declared ?? maxBytes);
                    var larger = ArrayPool<byte>.Shared.Rent((int)Math.Max(wanted, length + received));
                    buffer.AsSpan(0, length).CopyTo(larger);
                    ArrayPool<byte>.Shared.Return(buffer);
                    buffer = larger;
                }

                read.Buffer.CopyTo(buffer.AsSpan(length));
                length += received;
                request.BodyReader.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted) return (buffer, length);
            }
        }
        catch (Exception exception)
        {
            ArrayPool<byte>.Shared.Return(buffer);
            throw exception switch
            {
                BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge } => TooLarge(maxBytes),
                BadHttpRequestException { StatusCode: StatusCodes.Status400BadRequest } when declared is null =>
                    new ToDeviceErrorException(ToDeviceError.NotJson("The chunks of the body could not be read")),
                // A host's UseRequestDecompression() found something else than what the header had promised.
                InvalidDataException or InvalidOperationException { Source: BrotliAssembly } =>
                    new ToDeviceErrorException(ToDeviceError.NotJson("The body could not be decompressed")),
                // It broke off, or came too slowly for the server: nothing for which a client should give up (D3).
                IOException => new ClientGoneException(exception),
                _ => exception,
            };
        }
    }

    private static ToDeviceErrorException TooLarge(int maxBytes) =>
        new(ToDeviceError.TooLarge($"The request body is larger than {maxBytes} bytes"));
}
