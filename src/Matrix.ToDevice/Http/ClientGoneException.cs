namespace Matrix.ToDevice;

/// <summary>The connection broke while the request was still being read: there is nobody to answer.</summary>
internal sealed class ClientGoneException(Exception innerException) : Exception("The client has gone", innerException);
