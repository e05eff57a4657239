namespace Matrix.ToDevice;

/// <summary>The request broke off while it was still being read: there is nobody to answer.</summary>
internal sealed class ClientGoneException(Exception innerException) : Exception("The client has gone", innerException);
